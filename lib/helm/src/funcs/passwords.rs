//! Passwords: bcrypt, htpasswd, and those derived from a master password.

use super::{Answer, Call, Function, Ty, fixed, string};
use crate::template::error::Fault;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What a slow function counts as, in steps: a template may call each a few dozen times.
const SLOW: usize = 1_000_000;
/// bcrypt's default cost in Go.
const COST: u32 = 10;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("bcrypt", &[Ty::Str], |c| {
        let password = c.bytes(0).to_vec();
        string(hash(c, &password)?)
    }),
    fixed("htpasswd", &[Ty::Str, Ty::Str], |c| {
        let user = c.text(0).into_owned();
        if user.contains(':') {
            return string(format!("invalid username: {user}"));
        }
        let password = c.bytes(1).to_vec();
        string(format!("{user}:{}", hash(c, &password)?))
    }),
    fixed(
        "derivePassword",
        &[Ty::Uint, Ty::Str, Ty::Str, Ty::Str, Ty::Str],
        derive,
    ),
];

fn hash(call: &mut Call<'_, '_>, password: &[u8]) -> Result<String, Fault> {
    call.step(SLOW)?;
    if password.len() > 72 {
        return Ok(
            "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes".to_string(),
        );
    }
    let mut salt = [0; 16];
    call.run.environment.random(&mut salt);
    match bcrypt::hash_with_salt(password, COST, salt) {
        Ok(parts) => Ok(parts.format_for_version(bcrypt::Version::TwoA)),
        Err(error) => Ok(format!("failed to encrypt string with bcrypt: {error}")),
    }
}

const SEED: &[u8] = b"com.lyndir.masterpassword";

/// The shapes of passwords of a type: each letter stands for a set of characters.
fn shapes(kind: &str) -> &'static [&'static str] {
    match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => &[],
    }
}

fn characters(class: u8) -> &'static [u8] {
    match class {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'A' => b"AEIOUBCDFGHJKLMNPQRSTVWXYZ",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

/// The master password algorithm: scrypt makes a key of user and password, HMAC a seed of key, site and counter.
fn derive(call: &mut Call<'_, '_>) -> Answer {
    call.step(SLOW)?;
    let shapes = shapes(&call.text(1));
    if shapes.is_empty() {
        return string(format!("cannot find password template {}", call.text(1)));
    }
    let sized = |text: &[u8]| [SEED, &(text.len() as u32).to_be_bytes(), text].concat();
    let params = scrypt::Params::new(15, 8, 2).map_err(|e| e.to_string())?;
    let mut key = [0; 64];
    scrypt::scrypt(call.bytes(2), &sized(call.bytes(3)), &params, &mut key).map_err(|e| e.to_string())?;
    let counter = match call.any(0) {
        crate::template::value::Value::Uint(counter) => *counter as u32,
        _ => 0,
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|e| e.to_string())?;
    mac.update(&sized(call.bytes(4)));
    mac.update(&counter.to_be_bytes());
    let seed = mac.finalize().into_bytes();
    let shape = shapes[usize::from(seed[0]) % shapes.len()];
    let password: Vec<u8> = shape
        .bytes()
        .zip(seed.iter().skip(1))
        .map(|(class, &byte)| {
            let set = characters(class);
            set[usize::from(byte) % set.len()]
        })
        .collect();
    super::raw(password)
}

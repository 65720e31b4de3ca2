//! Digests, ciphers and random text.

use super::encoding::base64;
use super::{Answer, Call, Function, Ty, fixed, raw, string};
use crate::template::error::Fault;
use aes::Aes256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use sha2::Digest as _;

const BLOCK: usize = 16;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("sha1sum", &[Ty::Str], |c| {
        string(hex::encode(sha1::Sha1::digest(c.bytes(0))))
    }),
    fixed("sha256sum", &[Ty::Str], |c| {
        string(hex::encode(sha2::Sha256::digest(c.bytes(0))))
    }),
    fixed("sha512sum", &[Ty::Str], |c| {
        string(hex::encode(sha2::Sha512::digest(c.bytes(0))))
    }),
    fixed("adler32sum", &[Ty::Str], |c| {
        string(adler32(c.bytes(0)).to_string())
    }),
    fixed("encryptAES", &[Ty::Str, Ty::Str], encrypt),
    fixed("decryptAES", &[Ty::Str, Ty::Str], decrypt),
    fixed("randAlphaNum", &[Ty::Int], |c| {
        pick(c, &['0'..='9', 'A'..='Z', 'a'..='z'])
    }),
    fixed("randAlpha", &[Ty::Int], |c| pick(c, &['A'..='Z', 'a'..='z'])),
    fixed("randNumeric", &[Ty::Int], |c| pick(c, &['0'..='9', '0'..='9'])),
    fixed("randAscii", &[Ty::Int], |c| pick(c, &[' '..='~', ' '..='~'])),
    fixed("randBytes", &[Ty::Int], |c| {
        let bytes = random(c)?;
        string(STANDARD.encode(bytes))
    }),
    fixed("uuidv4", &[], |c| {
        let mut bytes = [0; 16];
        c.run.environment.random(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = hex::encode(bytes);
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        string(parts.join("-"))
    }),
];

fn adler32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1u32, 0u32);
    for &byte in bytes {
        a = (a + u32::from(byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    b << 16 | a
}

fn random(call: &mut Call<'_, '_>) -> Result<Vec<u8>, Fault> {
    let Ok(count) = usize::try_from(call.int(0)) else {
        return Err("runtime error: makeslice: len out of range".into());
    };
    call.run.spend(count.saturating_mul(2))?;
    let mut bytes = vec![0; count];
    call.run.environment.random(&mut bytes);
    Ok(bytes)
}

/// Random characters of some ranges.
fn pick(call: &mut Call<'_, '_>, ranges: &[std::ops::RangeInclusive<char>]) -> Answer {
    let set: Vec<char> = ranges.iter().cloned().flatten().collect();
    if call.int(0) < 0 {
        return string("");
    }
    let mut out = String::new();
    let bytes = random(call)?;
    // A byte beyond the last full round of the set would favour its beginning.
    let limit = 256 - 256 % set.len();
    for mut byte in bytes {
        while usize::from(byte) >= limit {
            let mut again = [0];
            call.run.environment.random(&mut again);
            if again[0] == byte {
                break;
            }
            byte = again[0];
        }
        out.push(set[usize::from(byte) % set.len()]);
    }
    string(out)
}

/// The password, cut or filled with zeros.
fn key(password: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    let size = password.len().min(32);
    key[..size].copy_from_slice(&password[..size]);
    key
}

fn encrypt(call: &mut Call<'_, '_>) -> Answer {
    let plain = call.bytes(1);
    if plain.is_empty() {
        return string("");
    }
    let mut iv = [0; BLOCK];
    call.run.environment.random(&mut iv);
    let cipher = cbc::Encryptor::<Aes256>::new(&key(call.bytes(0)).into(), &iv.into());
    let padding = BLOCK - plain.len() % BLOCK;
    let mut blocks: Vec<u8> = plain.to_vec();
    blocks.extend(std::iter::repeat_n(padding as u8, padding));
    let size = blocks.len();
    let encrypted = cipher
        .encrypt_padded::<cbc::cipher::block_padding::NoPadding>(&mut blocks, size)
        .map_err(|_| "crypto/cipher: input not full blocks")?;
    string(STANDARD.encode([iv.as_slice(), encrypted].concat()))
}

fn decrypt(call: &mut Call<'_, '_>) -> Answer {
    if call.bytes(1).is_empty() {
        return string("");
    }
    let data = base64(call.bytes(1))?;
    if data.len() < BLOCK {
        let size = data.len();
        return Err(format!("runtime error: slice bounds out of range [:16] with capacity {size}").into());
    }
    let (iv, crypt) = data.split_at(BLOCK);
    if crypt.len() % BLOCK != 0 {
        return Err("crypto/cipher: input not full blocks".into());
    }
    let iv: [u8; BLOCK] = iv.try_into().map_err(|_| "cipher: incorrect length IV")?;
    let cipher = cbc::Decryptor::<Aes256>::new(&key(call.bytes(0)).into(), &iv.into());
    let mut blocks = crypt.to_vec();
    let plain = cipher
        .decrypt_padded::<cbc::cipher::block_padding::NoPadding>(&mut blocks)
        .map_err(|_| "crypto/cipher: input not full blocks")?;
    let Some(&padding) = plain.last() else {
        return Err("runtime error: index out of range [-1]".into());
    };
    match plain.len().checked_sub(usize::from(padding)) {
        Some(size) => raw(plain[..size].to_vec()),
        None => {
            let size = plain.len() as i64 - i64::from(padding);
            Err(format!("runtime error: slice bounds out of range [:{size}]").into())
        }
    }
}

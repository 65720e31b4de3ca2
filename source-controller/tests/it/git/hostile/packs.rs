//! Packs that do not come, are none, or stand for more than there is room for.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::{Compression, write::ZlibEncoder};
use sha1::{Digest, Sha1};
use source_controller::git::{Limits, Mirrors, Reference, Request};

use super::super::origin::{Asked, Origin, chain, respond, serve};
use super::{ADVERTISEMENT, RESULT, capabilities, files, is_listing, message, one_branch, packet, request};

#[test]
fn whoever_waits_keeps_the_deadline_too() {
    let origin = Origin::new();
    // Lists a reference, and then takes its time.
    let asked = Arc::new(Mutex::new(0));
    let packs = Arc::clone(&asked);
    let address = serve(move |asked, mut stream| match asked.method.as_str() {
        "GET" => respond(stream, "200 OK", &[ADVERTISEMENT], &capabilities()),
        _ if is_listing(&asked) => respond(stream, "200 OK", &[RESULT], &one_branch()),
        _ => {
            *packs.lock().unwrap() += 1;
            let _ = stream.read(&mut [0]);
        }
    });
    let slow = Request {
        timeout: Duration::from_secs(20),
        ..request(&address, &origin)
    };
    let quick = Request {
        timeout: Duration::from_secs(1),
        ..slow.clone()
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| origin.mirrors.fetch(&slow).map(|_| ()));
        while *asked.lock().unwrap() == 0 {
            assert!(!first.is_finished(), "{:?}", first.join().unwrap());
            std::thread::sleep(Duration::from_millis(1));
        }
        // On a busy machine its time may be over before it gets to wait; it is over in any case before the first one's.
        let error = origin.mirrors.fetch(&quick).map(|_| ()).err().unwrap();
        assert!(!first.is_finished(), "{}", chain(&error));
        assert!(first.join().unwrap().is_err());
    });
    assert_eq!(*asked.lock().unwrap(), 1);
}

#[test]
fn packs_that_are_none() {
    let origin = Origin::new();
    let work = origin.repository("r");
    let commit = work.commit(&[("a", "1")]);
    let packs: [&[u8]; 5] = [
        b"",
        b"PACK",
        b"PACK\0\0\0\x02\xff\xff\xff\xff",
        b"PACK\0\0\0\x02\0\0\0\x01\x95\x0a\x78\x9c",
        &[0; 64],
    ];
    for pack in packs {
        let pack = pack.to_vec();
        let address = serve(move |asked, stream| match asked.method.as_str() {
            "GET" => respond(stream, "200 OK", &[ADVERTISEMENT], &capabilities()),
            _ if is_listing(&asked) => respond(stream, "200 OK", &[RESULT], &one_branch()),
            _ => {
                let data = packet(&[b"\x01", &pack[..]].concat());
                let body = [packet(b"packfile\n"), data, b"0000".to_vec()].concat();
                respond(stream, "200 OK", &[RESULT], &body);
            }
        });
        let error = origin
            .mirrors
            .fetch(&request(&address, &origin))
            .map(|_| ())
            .err()
            .unwrap();
        assert!(
            message(&error, &address).starts_with("unable to clone 'URL/r.git': "),
            "{}",
            chain(&error)
        );
    }

    // A real pack, cut off by a proxy that then behaves: the mirror is none the worse for it.
    let cut = Arc::new(Mutex::new(true));
    let (broken, real) = (Arc::clone(&cut), origin.address.clone());
    let proxy = serve(move |asked, stream| {
        let listing = asked.method == "GET" || is_listing(&asked);
        let (kind, mut body) = forward(&real, asked);
        if !listing && *broken.lock().unwrap() {
            body.truncate(body.len() / 2);
        }
        respond(stream, "200 OK", &[("Content-Type", &kind)], &body);
    });
    let request = request(&proxy, &origin);
    assert!(origin.mirrors.fetch(&request).is_err());
    *cut.lock().unwrap() = false;
    assert_eq!(origin.mirrors.fetch(&request).unwrap().commit(), commit);
}

/// What the real server says to a request: its kind and its bytes.
fn forward(real: &str, asked: Asked) -> (String, Vec<u8>) {
    let url = format!("{real}{}?{}", asked.path, asked.query);
    let client = reqwest::blocking::Client::new();
    let builder = if asked.method == "GET" {
        client.get(url)
    } else {
        client.post(url)
    };
    let mut builder = builder.body(asked.body);
    for (name, value) in asked
        .headers
        .iter()
        .filter(|(name, _)| !matches!(name.as_str(), "host" | "content-length"))
    {
        builder = builder.header(name, value);
    }
    let answer = builder.send().unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    (kind, answer.bytes().unwrap().to_vec())
}

/// What a pack is followed by: nothing, or the same for ever.
#[derive(Clone)]
struct Sent {
    /// In the band of packs.
    pack: Vec<u8>,
    /// Packets, again and again.
    forever: Vec<u8>,
}

/// A server that sends a pack of its own making as long as it has one, and behaves like the real one afterwards.
struct Turncoat {
    address: String,
    sends: Arc<Mutex<Option<Sent>>>,
}

impl Turncoat {
    fn start(origin: &Origin) -> Turncoat {
        let sends = Arc::<Mutex<Option<Sent>>>::default();
        let (sent, real) = (Arc::clone(&sends), origin.address.clone());
        let address = serve(move |asked, mut stream| {
            let sent = sent.lock().unwrap().clone();
            let hostile = sent.filter(|_| asked.method == "POST" && !is_listing(&asked));
            let Some(sent) = hostile else {
                let (kind, body) = forward(&real, asked);
                return respond(stream, "200 OK", &[("Content-Type", &kind)], &body);
            };
            let head = format!("HTTP/1.1 200 OK\r\n{}: {}\r\n\r\n", RESULT.0, RESULT.1);
            let packets = sent.pack.chunks(60_000).flat_map(|piece| banded(1, piece));
            let mut bytes = [head.into_bytes(), packet(b"packfile\n")].concat();
            bytes.extend(packets);
            let mut going = stream.write_all(&bytes).is_ok();
            while going && !sent.forever.is_empty() {
                going = stream.write_all(&sent.forever).is_ok();
            }
        });
        Turncoat { address, sends }
    }

    fn sends(&self, pack: Vec<u8>, forever: Vec<u8>) {
        *self.sends.lock().unwrap() = Some(Sent { pack, forever });
    }

    fn behaves(&self) {
        *self.sends.lock().unwrap() = None;
    }
}

pub fn banded(band: u8, bytes: &[u8]) -> Vec<u8> {
    packet(&[&[band], bytes].concat())
}

/// The beginning of a pack of so many objects.
pub fn begin(objects: u32) -> Vec<u8> {
    [&b"PACK\0\0\0\x02"[..], &objects.to_be_bytes()].concat()
}

/// A number in groups of seven bits.
fn number(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push((number & 127) as u8 | 128);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// What an object says of itself: its kind and size.
pub fn head(kind: u8, size: usize) -> Vec<u8> {
    let low = (kind << 4) | (size & 15) as u8;
    match size >> 4 {
        0 => vec![low],
        more => [vec![low | 128], number(more)].concat(),
    }
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    compressed(bytes, Compression::fast())
}

fn compressed(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), level);
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An object that is as large on its way as it is.
pub fn blob() -> Vec<u8> {
    let bytes = [7; 30_000];
    [head(BLOB, bytes.len()), compressed(&bytes, Compression::none())].concat()
}

pub const BLOB: u8 = 3;
pub const MIB: usize = 1 << 20;

/// Adds an object of so many MiB that copies the first MiB of one before it; gives where it is.
fn copies(pack: &mut Vec<u8>, base: usize, from: usize, to: usize) -> usize {
    let at = pack.len();
    let delta = [number(from * MIB), number(to * MIB), [0xc0, 0x10].repeat(to)].concat();
    let (mut distance, mut way) = (at - base, Vec::new());
    way.push((distance & 127) as u8);
    while distance > 127 {
        distance = (distance >> 7) - 1;
        way.insert(0, (distance & 127) as u8 | 128);
    }
    pack.extend([head(6, delta.len()), way, deflated(&delta)].concat());
    at
}

/// A line of objects, each made of the one before; and of each one more, so that none may go before the last has come.
pub fn line(length: u32, mib: usize) -> Vec<u8> {
    let mut pack = begin(2 * length + 1);
    let (mut last, mut from) = (pack.len(), 1);
    pack.extend([head(BLOB, MIB), deflated(&vec![0; MIB])].concat());
    for _ in 0..length {
        copies(&mut pack, last, from, 1);
        last = copies(&mut pack, last, from, mib);
        from = mib;
    }
    let sum = Sha1::digest(&pack);
    pack.extend(sum);
    pack
}

/// A line of small objects, each made of the one before; of each one more, and one that is large. Whoever goes from the last to the
/// first finds room for the small ones in what the large ones leave.
fn left(length: u32) -> Vec<u8> {
    let mut pack = begin(3 * length + 1);
    let mut last = pack.len();
    pack.extend([head(BLOB, MIB), deflated(&vec![0; MIB])].concat());
    for _ in 0..length {
        copies(&mut pack, last, 1, 1);
        let next = copies(&mut pack, last, 1, 1);
        copies(&mut pack, last, 1, 512);
        last = next;
    }
    let sum = Sha1::digest(&pack);
    pack.extend(sum);
    pack
}

/// The most memory that this process had since it was asked last, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: usize = line.unwrap().trim().trim_end_matches(" kB").parse().unwrap();
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    kib << 10
}

/// Of what a fetch writes before it is whole, and of packs.
fn written(origin: &Origin, mirrors: &str) -> Vec<std::path::PathBuf> {
    let all = files(&origin.dir.path().join(mirrors)).into_iter();
    all.filter(|path| path.parent().is_some_and(|parent| parent.ends_with("pack")))
        .collect()
}

#[test]
fn a_pack_stands_for_no_more_than_there_is_room_for() {
    let origin = Origin::new();
    let commit = origin.repository("r").commit(&[("a", "1")]);
    let server = Turncoat::start(&origin);
    let request = request(&server.address, &origin);
    let check = |pack: Vec<u8>, expected: &str| {
        assert!(pack.len() < 4 * MIB, "it is small on its way");
        server.sends(pack, Vec::new());
        peak();
        let error = origin.mirrors.fetch(&request).map(|_| ()).err().unwrap();
        assert_eq!(
            message(&error, &server.address),
            format!("unable to clone 'URL/r.git': {expected}")
        );
        // Other tests are at work in this process.
        let peak = peak();
        assert!(peak < 1 << 30, "{peak} bytes of memory");
        assert_eq!(written(&origin, "mirrors"), [] as [std::path::PathBuf; 0]);
    };
    let object = [begin(1), head(BLOB, 1 << 30), deflated(&vec![0; MIB])].concat();
    let large = "the remote sent an object of 1073741824 bytes, where 536870912 are allowed";
    check(object, large);
    let object = [begin(1), head(BLOB, 100), deflated(&vec![0; 64 * MIB])].concat();
    check(
        object,
        "the remote sent an object that is larger than the 100 bytes it says it has",
    );
    let mut delta = [begin(2), head(BLOB, MIB), deflated(&vec![0; MIB])].concat();
    copies(&mut delta, 12, 1, 1024);
    check(delta, large);
    let together = "the remote sent objects that need more than 2147483648 bytes of memory to be put together (half of what the container may have, 2 GiB at the most)";
    check(line(50, 512), together);
    check(left(50), together);

    server.behaves();
    assert_eq!(origin.mirrors.fetch(&request).unwrap().commit(), commit);
}

/// To read it takes more than is taken without asking, in a process that may have little.
#[test]
fn a_large_file_is_read_all_the_same() {
    let origin = Origin::new();
    // Not all the same, so that nobody takes its archive for a bomb.
    let digits = (0..u64::from(u16::MAX)).map(|number| hex::encode(Sha1::digest(number.to_be_bytes())));
    let large = digits.collect::<String>().repeat(7);
    let work = origin.repository("r");
    work.commit(&[("large", &large)]);
    let limits = Limits {
        memory: Some(0),
        ..Limits::default()
    };
    let mirrors = Mirrors::new(origin.dir.path().join("tight"), limits).unwrap();
    let request = Request {
        timeout: Duration::from_secs(300),
        ..origin.request("r", Reference::Branch("main".to_owned()))
    };
    let fetch = || {
        let checkout = mirrors.fetch(&request).unwrap();
        let archive = artifact::pack(checkout.listing(&[]).unwrap().entries(), Vec::new()).unwrap();
        let tree = artifact::unpack(archive.as_slice(), &artifact::Limits::default()).unwrap();
        tree.file("large").unwrap().bytes().to_vec()
    };
    assert!(fetch() == large.as_bytes());
    // It is made of what is there already.
    let larger = format!("{large}and more");
    work.commit(&[("large", &larger)]);
    assert!(fetch() == larger.as_bytes());
}

#[test]
fn a_pack_has_an_end() {
    let origin = Origin::new();
    let commit = origin.repository("r").commit(&[("a", "1")]);
    let server = Turncoat::start(&origin);
    let mirrors = origin.bounded(2 << 20);
    // The bound on bytes is what ends it, and not that on time.
    let request = Request {
        timeout: Duration::from_secs(60),
        ..request(&server.address, &origin)
    };
    let check = |pack: Vec<u8>, forever: Vec<u8>| {
        server.sends(pack, forever);
        peak();
        let error = mirrors.fetch(&request).map(|_| ()).err().unwrap();
        assert_eq!(
            message(&error, &server.address),
            "unable to clone 'URL/r.git': the remote sent more than 2097152 bytes"
        );
        let peak = peak();
        assert!(peak < 1 << 30, "{peak} bytes of memory");
        assert_eq!(written(&origin, "small"), [] as [std::path::PathBuf; 0]);
    };
    // Objects, one after the other.
    check(begin(1_000_000), banded(1, &blob()));
    // One object, of blocks that are not made smaller.
    let begun = [begin(1), head(BLOB, 500 * MIB), vec![0x78, 1]].concat();
    let block = [vec![0, 0xff, 0x7f, 0, 0x80], vec![7; 0x7fff]].concat();
    check(begun, banded(1, &block));
    // How far it is, and no pack at all.
    check(Vec::new(), banded(2, b"Counting objects: 1\r").repeat(1000));

    server.behaves();
    assert_eq!(mirrors.fetch(&request).unwrap().commit(), commit);
}

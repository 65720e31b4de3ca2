use std::io::Write;

use flate2::{Compression, write::ZlibEncoder};
use sha1::{Digest, Sha1};

use super::*;

const BLOB: u8 = 3;
const MOST: Most = Most {
    object: 1000,
    memory: 6500,
    arriving: 0,
    objects: 201,
    each: 1,
    made: 200_000,
    talk: 0,
};

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A number in groups of seven bits.
fn number(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 127 {
        bytes.push((number & 127) as u8 | 128);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn head(kind: u8, size: u64) -> Vec<u8> {
    let low = (kind << 4) | (size & 15) as u8;
    match size >> 4 {
        0 => vec![low],
        more => [vec![low | 128], number(more)].concat(),
    }
}

/// A pack that is being written.
struct Pack {
    bytes: Vec<u8>,
    objects: u32,
}

impl Pack {
    fn new() -> Pack {
        let bytes = b"PACK\0\0\0\x02\0\0\0\0".to_vec();
        Pack { bytes, objects: 0 }
    }

    /// Adds an entry; gives where it is.
    fn add(&mut self, parts: &[Vec<u8>]) -> u64 {
        let at = self.bytes.len() as u64;
        self.bytes.extend(parts.concat());
        self.objects += 1;
        at
    }

    fn blob(&mut self, size: u64) -> u64 {
        self.add(&[head(BLOB, size), deflated(&vec![0; size as usize])])
    }

    /// What makes an object of one before it, both of this size.
    fn made_of(&mut self, base: u64, size: u64) -> u64 {
        self.makes(base, (size, size))
    }

    /// What makes an object of one before it; the sizes of both.
    fn makes(&mut self, base: u64, (from, to): (u64, u64)) -> u64 {
        let distance = self.bytes.len() as u64 - base;
        // One byte says up to 127, two more.
        let distance = match distance {
            0..128 => vec![distance as u8],
            _ => vec![((distance - 128) >> 7) as u8 | 128, (distance & 127) as u8],
        };
        let delta = [number(from), number(to)].concat();
        self.add(&[head(6, delta.len() as u64), distance, deflated(&delta)])
    }

    fn made_of_named(&mut self, name: u8, size: u64) -> u64 {
        self.makes_of_named(name, (size, size))
    }

    fn makes_of_named(&mut self, name: u8, (from, to): (u64, u64)) -> u64 {
        let delta = [number(from), number(to)].concat();
        self.add(&[head(7, delta.len() as u64), vec![name; 20], deflated(&delta)])
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes[8..12].copy_from_slice(&self.objects.to_be_bytes());
        let sum = Sha1::digest(&self.bytes);
        self.bytes.extend(sum);
        self.bytes
    }
}

fn packet(band: &[u8], bytes: &[u8]) -> Vec<u8> {
    let length = format!("{:04x}", 4 + band.len() + bytes.len());
    [length.as_bytes(), band, bytes].concat()
}

/// An answer with a pack in it, in packets of so many bytes.
fn answer(pack: &[u8], each: usize) -> Vec<u8> {
    let mut answer = [packet(b"", b"packfile\n"), packet(&[2], b"Pondering\n")].concat();
    for piece in pack.chunks(each) {
        answer.extend(packet(&[1], piece));
    }
    answer.extend(b"0000");
    answer
}

fn weigh(answer: &[u8], each: usize) -> Result<(), PackError> {
    let mut scale = Scale::new(MOST, false);
    answer.chunks(each).try_for_each(|bytes| scale.weigh(bytes))
}

/// However the bytes arrive, the verdict is the same.
#[track_caller]
fn check(pack: Vec<u8>, expected: Result<(), PackError>) {
    for (packets, pieces) in [(60_000, 100_000), (1, 1), (7, 5), (1000, 1)] {
        assert_eq!(
            weigh(&answer(&pack, packets), pieces),
            expected,
            "in {packets} and {pieces}"
        );
    }
}

#[test]
fn honest_packs_are_taken() {
    let mut pack = Pack::new();
    let first = pack.blob(1000);
    let second = pack.made_of(first, 1000);
    pack.made_of(second, 500);
    pack.blob(0);
    pack.made_of_named(1, 700);
    pack.made_of_named(2, 700);
    check(pack.finish(), Ok(()));
    check(Pack::new().finish(), Ok(()));
    // What is no pack is no concern of ours; a list of references is none.
    assert_eq!(weigh(b"zzzz\x01\x02\xff0000PACK", 3), Ok(()));
    let listing = "003d1111111111111111111111111111111111111111 refs/heads/main\n0000";
    assert_eq!(weigh(listing.as_bytes(), 10), Ok(()));
}

#[test]
fn objects_are_what_they_say_and_no_larger_than_allowed() {
    let too_large = |size| Err(PackError::Object { size, most: 1000 });
    let one = |parts: &[Vec<u8>]| {
        let mut pack = Pack::new();
        pack.add(parts);
        pack.finish()
    };
    // Nothing of it is inflated.
    check(one(&[head(BLOB, 1001), vec![0xff; 9]]), too_large(1001));
    check(one(&[head(BLOB, 1 << 40)]), too_large(1 << 40));
    check(one(&[vec![0xbf], vec![0xff; 20], vec![1]]), too_large(u64::MAX));
    let bomb = deflated(&vec![0; 1 << 20]);
    check(one(&[head(BLOB, 10), bomb]), Err(PackError::Larger(10)));
    // Blocks without content, for ever.
    let padding = [vec![0x78, 0x01], [0, 0, 0, 0xff, 0xff].repeat(20_000)].concat();
    check(one(&[head(BLOB, 10), padding]), Err(PackError::Larger(10)));
    // A delta of a few bytes that makes a large object, or is of one.
    let delta = [number(10), number(1001)].concat();
    check(one(&[head(7, 3), vec![1; 20], deflated(&delta)]), too_large(1001));
    let delta = [number(5000), number(10)].concat();
    check(one(&[head(7, 3), vec![1; 20], deflated(&delta)]), too_large(5000));
}

#[test]
fn what_is_damaged_says_so() {
    let one = |parts: &[Vec<u8>]| {
        let mut pack = Pack::new();
        pack.add(parts);
        pack.finish()
    };
    let damaged = |text| Err(PackError::Damaged(text));
    let other = answer(b"PICK\0\0\0\x02\0\0\0\x01", 5);
    assert_eq!(weigh(&other, 7), damaged("it does not begin as one"));
    check(one(&[vec![0x05]]), damaged("an object is of no kind"));
    check(
        one(&[vec![0xb5], vec![0xff; 60]]),
        damaged("an object says nothing of itself"),
    );
    check(
        one(&[head(BLOB, 5), vec![7; 50]]),
        damaged("an object cannot be inflated"),
    );
    let long = damaged("an object has a size of too many bytes");
    check(one(&[vec![0xb5, 0x00], deflated(b"12345")]), long);
    let before = "an object is made of one that is not before it";
    check(one(&[head(6, 3), vec![100]]), damaged(before));
    // Where no object begins, gix finds another once it has put something between them.
    let mut inside = Pack::new();
    let blob = inside.blob(100);
    inside.made_of(blob + 1, 100);
    check(
        inside.finish(),
        damaged("an object is made of one that does not begin where it should"),
    );
    check(one(&[head(6, 3), vec![0]]), damaged(before));
    check(
        one(&[head(7, 0), vec![1; 20], deflated(b"")]),
        damaged("a delta has no sizes"),
    );
}

/// Each object is small; to make the last, all that it comes from and that has other children has to be kept.
#[test]
fn what_has_to_be_kept_at_one_time_is_bounded() {
    let line = |length: usize, siblings: bool| {
        let mut pack = Pack::new();
        let mut last = pack.blob(1000);
        for _ in 0..length {
            if siblings {
                pack.made_of(last, 1000);
            }
            last = pack.made_of(last, 1000);
        }
        pack.finish()
    };
    let refused = Err(PackError::Memory(6500));
    check(line(100, false), Ok(()));
    check(line(3, true), Ok(()));
    check(line(4, true), refused.clone());

    // Beside each other they do not add up.
    let mut pack = Pack::new();
    for _ in 0..10 {
        let base = pack.blob(1000);
        pack.made_of(base, 1000);
        pack.made_of(base, 1000);
    }
    check(pack.finish(), Ok(()));

    // By their names: nobody knows which of them are in the pack.
    let named = |each: &dyn Fn(&mut Pack, u8)| {
        let mut pack = Pack::new();
        (0..4).for_each(|name| each(&mut pack, name));
        pack.finish()
    };
    let apart = named(&|pack, name| {
        pack.made_of_named(name, 1000);
    });
    check(apart, Ok(()));
    let twice = named(&|pack, name| {
        pack.made_of_named(name, 1000);
        pack.made_of_named(name, 1000);
    });
    check(twice, refused.clone());
    let once_each_way = named(&|pack, name| {
        let base = pack.made_of_named(name, 1000);
        pack.made_of(base, 1000);
    });
    check(once_each_way, refused.clone());
    let families = named(&|pack, name| {
        let base = pack.made_of_named(name, 1000);
        pack.made_of(base, 10);
        pack.made_of(base, 10);
    });
    check(families, refused);
}

/// A small object that is kept lies in the room of a large one that came before it.
#[test]
fn what_is_kept_is_as_large_as_what_was_there_before() {
    let line = |large: &dyn Fn(&mut Pack, u64, u8)| {
        let mut pack = Pack::new();
        let mut last = pack.blob(10);
        for step in 0..10 {
            pack.made_of(last, 10);
            let next = pack.made_of(last, 10);
            large(&mut pack, last, step);
            last = next;
        }
        pack.finish()
    };
    let refused = Err(PackError::Memory(6500));
    check(line(&|_, _, _| {}), Ok(()));
    let made = line(&|pack, last, _| {
        pack.makes(last, (10, 1000));
    });
    check(made, refused.clone());
    // By its name: of which of them it is made nobody knows.
    let named = line(&|pack, _, step| {
        pack.makes_of_named(step, (10, 1000));
    });
    check(named, refused);
}

/// A pack in what a server says before hides no other. gix takes any line of a greeting, and any short packet for its end.
#[test]
fn each_pack_of_a_connection_is_weighed() {
    let mut heavy = Pack::new();
    heavy.add(&[head(BLOB, 1001)]);
    let heavy = answer(&heavy.finish(), 100);
    for hiding in [Pack::new().finish(), b"PACK\0\0\0\x02\0\0\0\x01".to_vec()] {
        for end in ["0000", "0001", "0002"] {
            let greeting = [packet(b"", b"version 2\n"), packet(&[1], &hiding)].concat();
            let all = [greeting, end.into(), heavy.clone()].concat();
            let mut scale = Scale::new(MOST, true);
            let too_large = PackError::Object {
                size: 1001,
                most: 1000,
            };
            assert_eq!(scale.weigh(&all), Err(too_large), "{hiding:?} {end}");
        }
    }
}

/// It is known as soon as the packet with the last byte has come, and not before; what comes at once with it changes nothing.
#[test]
fn how_much_memory_a_pack_needs_is_known_at_its_end() {
    let mut pack = Pack::new();
    let base = pack.blob(100);
    pack.made_of(base, 100);
    pack.blob(400);
    let pack = pack.finish();
    let mut scale = Scale::new(MOST, false);
    scale.weigh(&packet(&[1], &pack[..pack.len() - 1])).unwrap();
    assert_eq!(scale.complete(), None);
    for end in ["", "0000", "0001", "0002", "0009\x02done", "0008NAK\n"] {
        for pieces in [1, 10, 100_000] {
            let mut scale = Scale::new(MOST, false);
            let all = [&packet(&[1], &pack), end.as_bytes()].concat();
            let mut begun = Vec::new();
            for piece in all.chunks(pieces) {
                scale.weigh(piece).unwrap();
                begun.extend(scale.begun());
            }
            assert_eq!(begun, [3], "{end}: one for each, in {pieces}");
            // The large one and the room that two of the others leave, the two bytes of a delta, and one for each.
            assert_eq!(scale.complete(), Some(400 + 100 + 2 + 3), "{end} in {pieces}");
            assert_eq!(scale.complete(), None, "once");
        }
    }
    let mut scale = Scale::new(MOST, false);
    let longer = packet(&[1], &[&pack[..], b"more"].concat());
    scale.weigh(&longer[..longer.len() - 1]).unwrap();
    assert_eq!(scale.complete(), None, "nobody sees it yet");
    scale.weigh(&longer[longer.len() - 1..]).unwrap();
    assert_eq!(scale.complete(), Some(505));
}

/// Whoever reads has both of one piece, one after the other.
#[test]
fn of_two_packs_the_larger_counts() {
    let pack = |size| {
        let mut pack = Pack::new();
        pack.blob(size);
        pack.finish()
    };
    let (large, small) = (packet(&[1], &pack(900)), packet(&[1], &pack(1)));
    for both in [[&large[..], b"0000", &small], [&small[..], b"0000", &large]] {
        let mut scale = Scale::new(MOST, false);
        scale.weigh(&both.concat()).unwrap();
        assert_eq!((scale.begun(), scale.complete()), (Some(1), Some(901)));
    }
}

#[test]
fn what_takes_long_to_put_together_is_refused() {
    let pack = |number| {
        let mut pack = Pack::new();
        let mut last = pack.blob(1000);
        for _ in 1..number {
            last = pack.made_of(last, 1000);
        }
        pack.finish()
    };
    check(pack(200), Ok(()));
    check(pack(201), Err(PackError::Made(200_000)));
}

#[test]
fn half_of_the_memory_that_there_is() {
    let mib = |number: u64| number << 20;
    for (limit, memory, objects) in [
        (None, 2048, 2_147_483),
        (Some(mib(1 << 20)), 2048, 2_147_483),
        (Some(mib(1024)), 512, 536_870),
        (Some(0), 256, 268_435),
    ] {
        let most = Most::within(limit);
        let expected = [memory, memory / 2, memory / 4, memory / 4].map(mib);
        let is = [most.memory, most.arriving, most.object, most.talk];
        assert_eq!((is, most.objects), (expected, objects), "{limit:?}");
    }
}

#[test]
fn a_pack_of_too_many_objects_is_refused_before_the_first() {
    let pack = |objects| {
        let mut pack = Pack::new();
        for _ in 0..objects {
            pack.blob(1);
        }
        pack.finish()
    };
    check(pack(201), Ok(()));
    let too_many = |objects| Err(PackError::Objects { objects, most: 201 });
    check(pack(202), too_many(202));
    check(b"PACK\0\0\0\x02\xff\xff\xff\xff".to_vec(), too_many(u32::MAX));
}

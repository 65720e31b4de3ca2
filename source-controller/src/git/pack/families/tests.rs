use proptest::prelude::*;

use super::*;

/// An object as a pack has it, and of what it is made in truth.
#[derive(Debug, Clone)]
struct Object {
    size: u64,
    /// Its base, and whether it is said by its name.
    base: Option<(usize, bool)>,
    /// How long it is as a delta.
    delta: u64,
    /// It is no part of the pack: the receiver has it.
    is_outside: bool,
}

/// Up to thirty objects, each made of any before it or of none; a few of them large, and a few outside the pack.
fn objects() -> impl Strategy<Value = Vec<Object>> {
    let size = prop_oneof![4 => 1..20_u64, 1 => 500..1000_u64];
    let object = (size.clone(), any::<prop::sample::Index>(), 0..10_u8, size);
    prop::collection::vec(object, 1..30).prop_map(|drawn| {
        let mut objects: Vec<Object> = Vec::new();
        for (place, (size, base, kind, delta)) in drawn.into_iter().enumerate() {
            let is_outside = kind == 8;
            let has_base = place > 0 && kind > 0 && !is_outside;
            let base = has_base.then(|| base.index(place));
            objects.push(Object {
                size,
                base: base.map(|base| (base, kind == 7 || objects[base].is_outside)),
                delta,
                is_outside,
            });
        }
        objects
    })
}

/// What gix's worker holds: a room for each object that is held, and one to spare.
struct Worker {
    children: Vec<Vec<usize>>,
    /// How many are still to be made of each, and the room that it lies in.
    held: Vec<(usize, u64)>,
    spare: u64,
    most: u64,
}

impl Worker {
    /// Notes what is held now, and so much besides.
    fn note(&mut self, besides: u64) {
        let held: u64 = self.held.iter().map(|(_, room)| room).sum();
        self.most = self.most.max(held + self.spare + besides);
    }

    /// As `resolve_task` of gix-pack does.
    fn make(&mut self, place: usize, object: &Object) {
        let mut room = object.size;
        if object.base.is_some() {
            let grown = if self.spare < object.size { object.size } else { 0 };
            self.note(grown + object.delta);
            room = object.size.max(std::mem::take(&mut self.spare));
        }
        let children = self.children[place].len();
        self.held[place] = (children, room);
        self.note(0);
        let mut reusable = None;
        if children == 0 {
            self.held[place].1 = 0;
            reusable = object.base.map(|_| room);
        }
        if let Some((base, _)) = object.base {
            self.held[base].0 -= 1;
            if self.held[base].0 == 0 {
                let left = std::mem::take(&mut self.held[base].1);
                reusable = Some(reusable.map_or(left, |room| room.max(left)));
            }
        }
        self.spare = reusable.unwrap_or(self.spare);
    }
}

/// The most that gix needs to put these together.
fn needed(objects: &[Object]) -> u64 {
    let mut children = vec![Vec::new(); objects.len()];
    for by_name in [false, true] {
        for (place, object) in objects.iter().enumerate() {
            if let Some((base, _)) = object.base.filter(|(_, named)| *named == by_name) {
                children[base].push(place);
            }
        }
    }
    let mut worker = Worker {
        children,
        held: vec![(0, 0); objects.len()],
        spare: 0,
        most: 0,
    };
    // What is outside is looked up where it is named.
    let is_there = |place: &usize| !objects[*place].is_outside || !worker.children[*place].is_empty();
    let roots = (0..objects.len()).filter(|place| objects[*place].base.is_none());
    for root in roots.filter(is_there).collect::<Vec<usize>>() {
        let mut waiting = vec![root];
        while let Some(place) = waiting.pop() {
            worker.make(place, &objects[place]);
            waiting.extend(&worker.children[place]);
        }
    }
    worker.most
}

proptest! {
    #[test]
    fn no_more_is_needed_than_is_said(objects in objects()) {
        let mut families = Families::default();
        for (place, object) in (0..).zip(&objects).filter(|(_, object)| !object.is_outside) {
            let Some((base, named)) = object.base else {
                families.root(place, object.size);
                continue;
            };
            let delta = Delta { length: object.delta, base: objects[base].size, result: object.size };
            let base = match named {
                true => Base::Named([base as u8; 20]),
                false => Base::At(base as u64),
            };
            families.child(place, base, delta).unwrap();
        }
        let (needed, said) = (needed(&objects), families.need(0));
        prop_assert!(needed <= said, "{} are needed, {} are said", needed, said);
    }
}

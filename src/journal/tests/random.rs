//! Random lives of one run, with two processes that want to hold it: never two valid writers, never a gap, never a broken
//! chain; and both stores do the same.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Deed {
    Append(u8),
    Take(u64),
    TakeNewest,
    Release,
    Renew,
    Ask,
    Answer,
    End,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        6 => (0..4_u8).prop_map(Deed::Append),
        2 => (0..6_u64).prop_map(Deed::Take),
        3 => Just(Deed::TakeNewest),
        1 => Just(Deed::Release),
        1 => Just(Deed::Renew),
        2 => Just(Deed::Ask),
        2 => Just(Deed::Answer),
        1 => Just(Deed::End),
    ]
}

/// Two processes over one journal, each with the lease that it last got.
struct Pair {
    views: [Box<dyn Journal>; 2],
    leases: [Option<Lease>; 2],
}

impl Pair {
    fn new(mut views: [Box<dyn Journal>; 2]) -> Self {
        let lease = begin(&mut *views[0], "r1", &["db/a"]);
        Self { views, leases: [Some(lease), None] }
    }

    /// Does a deed and says what became of it, so that two stores can be compared.
    fn act(&mut self, who: usize, deed: &Deed) -> String {
        let (view, lease) = (&mut self.views[who], self.leases[who].clone());
        let id = run("r1");
        let mine = lease.unwrap_or(Lease { run: id.clone(), epoch: 0 });
        let events = |count: u8| (0..count).map(|number| note(&number.to_string())).collect();
        match deed {
            Deed::Append(count) => format!("{:?}", view.append(&mine, "x", Time(5), events(*count), &[])),
            Deed::End => format!("{:?}", append(&mut **view, &mine, ended())),
            Deed::Take(_) | Deed::TakeNewest => {
                let expected = match deed {
                    Deed::Take(epoch) => *epoch,
                    _ => view.lease(&id).unwrap().epoch,
                };
                let pid = u32::try_from(who).unwrap() + 1;
                let taken = view.take(&id, expected, &holder(pid), LeaseReason::Resume, "x", Time(6));
                if let Ok((lease, _)) = &taken {
                    self.leases[who] = Some(lease.clone());
                }
                format!("{taken:?}")
            }
            Deed::Release => format!("{:?}", view.release(&mine)),
            Deed::Renew => format!("{:?}", view.renew(&mine)),
            Deed::Ask => format!("{:?}", view.ask(&id, &RequestKind::Pause, "p", "", Time(7))),
            Deed::Answer => {
                let open: Vec<i64> = view.requests(&id).unwrap().iter().map(|request| request.id).collect();
                let answered = view.append(&mine, "x", Time(8), vec![note("answered")], &open);
                let left = view.requests(&id).unwrap().len();
                assert_eq!(left, if answered.is_ok() { 0 } else { open.len() });
                format!("{answered:?}")
            }
        }
    }

    fn check(&mut self) {
        let mut valid = Vec::new();
        for (view, lease) in self.views.iter_mut().zip(&self.leases) {
            let info = view.lease(&run("r1")).unwrap();
            if let Some(lease) = lease
                && view.check(lease).is_ok()
            {
                assert!(!info.released);
                assert_eq!(info.epoch, lease.epoch);
                valid.push(lease.epoch);
            }
        }
        assert!(valid.len() <= 1, "two writers: {valid:?}");
        let records = self.views[0].records(&run("r1"), 0).unwrap();
        assert_whole(&mut *self.views[1], "r1", records.len() as u64);
        assert!(records.is_sorted_by_key(|record| record.epoch));
        let ended = matches!(records.last().unwrap().event, Event::RunEnded { .. });
        assert_eq!(self.views[0].locks().unwrap().is_empty(), ended);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn in_memory_there_is_one_writer(deeds in prop::collection::vec((0..2_usize, deed()), 1..60)) {
        let journal = MemoryJournal::new();
        let mut pair = Pair::new([Box::new(journal.reopen()), Box::new(journal)]);
        for (who, deed) in &deeds {
            pair.act(*who, deed);
            pair.check();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn on_disk_it_is_the_same_as_in_memory(deeds in prop::collection::vec((0..2_usize, deed()), 1..30)) {
        let folder = tempfile::tempdir().unwrap();
        let open = || Box::new(SqliteJournal::open(folder.path()).unwrap());
        let mut disk = Pair::new([open(), open()]);
        let journal = MemoryJournal::new();
        let mut memory = Pair::new([Box::new(journal.reopen()), Box::new(journal)]);
        for (who, deed) in &deeds {
            prop_assert_eq!(disk.act(*who, deed), memory.act(*who, deed));
            disk.check();
        }
        prop_assert_eq!(disk.views[0].records(&run("r1"), 0).unwrap(), memory.views[0].records(&run("r1"), 0).unwrap());
    }
}

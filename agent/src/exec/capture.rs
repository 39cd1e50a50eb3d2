//! Bounded keeping of what a program writes.

/// Keeps the first bytes.
#[derive(Debug, Default)]
pub(super) struct Head {
    limit: usize,
    kept: Vec<u8>,
    cut: bool,
}

impl Head {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = self.limit.saturating_sub(self.kept.len());
        self.cut |= bytes.len() > room;
        self.kept.extend(bytes.iter().take(room));
    }

    /// The bytes, and whether there were more.
    pub(super) fn finish(self) -> (Vec<u8>, bool) {
        (self.kept, self.cut)
    }
}

/// Keeps the last bytes.
#[derive(Debug)]
pub(super) struct Tail {
    limit: usize,
    kept: Vec<u8>,
}

impl Tail {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, kept: Vec::new() }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
        // Cut back only now and then, so that a flood costs no copy per read.
        if self.kept.len() > 2 * self.limit {
            self.trim();
        }
    }

    fn trim(&mut self) {
        let surplus = self.kept.len().saturating_sub(self.limit);
        self.kept.drain(..surplus);
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.trim();
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn head_and_tail_keep_their_ends(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..20), limit in 0usize..40) {
            let (mut head, mut tail) = (Head::new(limit), Tail::new(limit));
            for part in &parts {
                head.push(part);
                tail.push(part);
            }
            let all = parts.concat();
            let (kept, cut) = head.finish();
            prop_assert_eq!(&kept[..], &all[..limit.min(all.len())]);
            prop_assert_eq!(cut, all.len() > limit);
            prop_assert_eq!(&tail.finish()[..], &all[all.len().saturating_sub(limit)..]);
        }
    }
}

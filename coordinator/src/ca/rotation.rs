//! The way of a site from its authority to another one: which of the two signs, and who is trusted, in each
//! phase; what a host lacks; which phase may come next. Pure: files, calls and clock are the callers'.

use std::{fmt, str::FromStr, sync::Arc};

use super::Authority;

/// Where on the way a site is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The old authority signs; both are trusted.
    Trust,
    /// The new one signs; both are trusted.
    Issue,
    /// The new one signs, and is trusted alone. From here there is only forward.
    Retire,
    /// Going back: the old one signs again; both are trusted.
    Back,
    /// Going back: the old one signs, and is trusted alone.
    Drop,
}

/// A word that is no phase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no phase of a rotation")]
pub struct NoPhase(pub String);

impl Phase {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Trust, Self::Issue, Self::Retire, Self::Back, Self::Drop];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trust => "trust",
            Self::Issue => "issue",
            Self::Retire => "retire",
            Self::Back => "back",
            Self::Drop => "drop",
        }
    }

    /// Whether hosts and users get certificates of the new authority.
    fn new_signs(self) -> bool {
        match self {
            Self::Issue | Self::Retire => true,
            Self::Trust | Self::Back | Self::Drop => false,
        }
    }

    /// Whether the coordinator itself shows one of the new authority: last of all, so that users who
    /// trust the old one only are served as long as it counts.
    fn new_is_shown(self) -> bool {
        match self {
            Self::Retire => true,
            Self::Trust | Self::Issue | Self::Back | Self::Drop => false,
        }
    }

    fn both_are_trusted(self) -> bool {
        match self {
            Self::Trust | Self::Issue | Self::Back => true,
            Self::Retire | Self::Drop => false,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Phase {
    type Err = NoPhase;

    fn from_str(text: &str) -> Result<Self, NoPhase> {
        let known = Self::ALL.into_iter().find(|phase| phase.as_str() == text);
        known.ok_or_else(|| NoPhase(text.chars().take(40).collect()))
    }
}

/// When and by whom a phase was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The phase.
    pub phase: Phase,
    /// When it began, milliseconds since 1970.
    pub since_ms: i64,
    /// When the rotation began, milliseconds since 1970.
    pub started_at_ms: i64,
    /// Who began it.
    pub started_by: String,
}

/// Another authority beside the site's own.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// The new authority.
    pub new: Arc<Authority>,
    /// How far it is.
    pub note: Note,
}

/// The authorities of a site at one moment.
#[derive(Debug, Clone)]
pub struct Authorities {
    /// The site's authority; while it rotates, the one that it comes from.
    pub old: Arc<Authority>,
    /// `None`: it does not rotate.
    pub rotation: Option<Rotation>,
}

impl Authorities {
    /// One alone.
    pub fn alone(authority: Arc<Authority>) -> Self {
        Self { old: authority, rotation: None }
    }

    fn choose(&self, new: impl FnOnce(Phase) -> bool) -> &Arc<Authority> {
        match &self.rotation {
            Some(rotation) if new(rotation.note.phase) => &rotation.new,
            Some(_) | None => &self.old,
        }
    }

    /// Who signs for hosts and users.
    pub fn signing(&self) -> &Arc<Authority> {
        self.choose(Phase::new_signs)
    }

    /// Who signs for the coordinator itself: what tokens pin.
    pub fn own(&self) -> &Arc<Authority> {
        self.choose(Phase::new_is_shown)
    }

    /// Who is trusted; the coordinator's own first.
    pub fn trusted(&self) -> Vec<&Arc<Authority>> {
        let own = self.own();
        let both = self.rotation.as_ref().filter(|rotation| rotation.note.phase.both_are_trusted());
        let other = both.map(|rotation| &rotation.new);
        std::iter::once(own).chain(other).collect()
    }

    /// Who is here and not trusted (any more).
    pub fn untrusted(&self) -> Option<&Arc<Authority>> {
        let trusted = self.trusted();
        let is_trusted =
            |one: &Authority| trusted.iter().any(|known| known.fingerprint() == one.fingerprint());
        let all = std::iter::once(&self.old).chain(self.rotation.as_ref().map(|it| &it.new));
        all.into_iter().find(|one| !is_trusted(one))
    }

    /// The certificates of those that are trusted, PEM; the coordinator's own first.
    pub fn bundle(&self) -> String {
        self.trusted().iter().map(|one| ended(one.certificate())).collect()
    }

    /// Their fingerprints, in the same order.
    pub fn fingerprints(&self) -> Vec<Vec<u8>> {
        self.trusted().iter().map(|one| one.digest().to_vec()).collect()
    }

    /// What a host lacks of what it should have now.
    pub fn lacks(&self, host: &HostFacts) -> Option<Lack> {
        let wanted = self.fingerprints();
        if wanted.iter().any(|one| !host.trusts.contains(one)) {
            return Some(Lack::Trust);
        }
        if host.issuer != self.signing().digest() {
            return Some(Lack::Certificate);
        }
        (host.trusts != wanted).then_some(Lack::Parting)
    }
}

/// A PEM text that others can follow.
fn ended(pem: &str) -> String {
    if pem.ends_with('\n') { pem.to_owned() } else { format!("{pem}\n") }
}

/// What a host shows and trusts, by the fingerprints of authorities.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// Who signed its certificate; empty: not known.
    pub issuer: Vec<u8>,
    /// Whom it trusts.
    pub trusts: Vec<Vec<u8>>,
}

/// What a host lacks, in the order in which it gets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// It does not trust all that it should.
    Trust,
    /// Its certificate is not of the authority that signs.
    Certificate,
    /// It trusts one that it should not trust any more.
    Parting,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trust => "it is not proven that it trusts the authorities of this phase",
            Self::Certificate => "its certificate is of the other authority",
            Self::Parting => "it still trusts the authority that is taken away",
        })
    }
}

/// What somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A new authority.
    Start,
    /// The next phase.
    Next,
    /// Back to the old authority.
    Back,
}

impl FromStr for Asked {
    type Err = NoPhase;

    fn from_str(text: &str) -> Result<Self, NoPhase> {
        match text {
            "start" => Ok(Self::Start),
            "next" => Ok(Self::Next),
            "back" => Ok(Self::Back),
            other => Err(NoPhase(other.chars().take(40).collect())),
        }
    }
}

/// What is in the way of the next phase, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InTheWay {
    /// Hosts that are not as far.
    pub hosts: Vec<String>,
    /// Users whose certificates it would end.
    pub users: Vec<String>,
    /// The coordinator's own certificate is not as far.
    pub own: bool,
}

impl InTheWay {
    /// Nothing is.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty() && self.users.is_empty() && !self.own
    }
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A new authority is made, and trusted.
    Begin,
    /// A phase begins.
    To(Phase),
    /// The new authority alone is left.
    Taken,
    /// The old authority alone is left.
    Dropped,
}

impl Change {
    /// The word for what comes: of the phase, or "none".
    pub fn leads_to(self) -> &'static str {
        match self {
            Self::Begin => Phase::Trust.as_str(),
            Self::To(phase) => phase.as_str(),
            Self::Taken | Self::Dropped => "none",
        }
    }
}

/// Why it is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// One at a time.
    #[error("the authority is being rotated already, phase {0}")]
    Begun(Phase),
    /// Nothing to go on with, or back from.
    #[error("the authority is not being rotated")]
    NotBegun,
    /// The old authority is being taken away.
    #[error("the old authority is being taken away: from here there is only forward")]
    OnlyForward,
    /// It goes back already.
    #[error("it goes back already, phase {0}")]
    GoesBack(Phase),
    /// Somebody is not as far.
    #[error("not everybody is as far as phase {phase}: {}", told(way))]
    InTheWay {
        /// That they should be as far as.
        phase: Phase,
        /// Who is not.
        way: InTheWay,
    },
}

fn told(way: &InTheWay) -> String {
    let mut parts = Vec::new();
    if !way.hosts.is_empty() {
        parts.push(format!("host {}", way.hosts.join(", ")));
    }
    if !way.users.is_empty() {
        parts.push(format!("user {}", way.users.join(", ")));
    }
    if way.own {
        parts.push("the coordinator's own certificate".to_owned());
    }
    parts.join("; ")
}

/// The change that follows a phase when nothing is in its way.
pub fn following(phase: Option<Phase>) -> Change {
    match phase {
        None => Change::Begin,
        Some(Phase::Trust) => Change::To(Phase::Issue),
        Some(Phase::Issue) => Change::To(Phase::Retire),
        Some(Phase::Retire) => Change::Taken,
        Some(Phase::Back) => Change::To(Phase::Drop),
        Some(Phase::Drop) => Change::Dropped,
    }
}

/// What follows from a wish, a phase, and what is in the way of the next one.
///
/// # Errors
/// Why nothing follows.
pub fn decide(asked: Asked, phase: Option<Phase>, way: InTheWay) -> Result<Change, Refused> {
    match (asked, phase) {
        (Asked::Start, None) => Ok(Change::Begin),
        (Asked::Start, Some(phase)) => Err(Refused::Begun(phase)),
        (Asked::Next | Asked::Back, None) => Err(Refused::NotBegun),
        (Asked::Next, Some(phase)) if way.is_empty() => Ok(following(Some(phase))),
        (Asked::Next, Some(phase)) => Err(Refused::InTheWay { phase, way }),
        (Asked::Back, Some(Phase::Trust | Phase::Issue)) => Ok(Change::To(Phase::Back)),
        (Asked::Back, Some(Phase::Retire)) => Err(Refused::OnlyForward),
        (Asked::Back, Some(phase @ (Phase::Back | Phase::Drop))) => Err(Refused::GoesBack(phase)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority() -> Arc<Authority> {
        let made = Authority::create("s", 1_795_000_000_000).unwrap();
        Arc::new(Authority::load("s", &made.certificate, &made.private_key).unwrap())
    }

    fn set(phase: Phase) -> Authorities {
        let note = Note { phase, since_ms: 2, started_at_ms: 1, started_by: "alice".into() };
        Authorities { old: authority(), rotation: Some(Rotation { new: authority(), note }) }
    }

    fn of(set: &Authorities, one: &str) -> Vec<u8> {
        let new = &set.rotation.as_ref().unwrap().new;
        if one == "old" { set.old.digest().to_vec() } else { new.digest().to_vec() }
    }

    #[test]
    fn who_signs_and_who_is_trusted_in_each_phase() {
        for (phase, signs, own, trusted) in [
            (Phase::Trust, "old", "old", &["old", "new"][..]),
            (Phase::Issue, "new", "old", &["old", "new"]),
            (Phase::Retire, "new", "new", &["new"]),
            (Phase::Back, "old", "old", &["old", "new"]),
            (Phase::Drop, "old", "old", &["old"]),
        ] {
            let set = set(phase);
            assert_eq!(set.signing().digest().to_vec(), of(&set, signs), "{phase}");
            assert_eq!(set.own().digest().to_vec(), of(&set, own), "{phase}");
            let wanted: Vec<_> = trusted.iter().map(|one| of(&set, one)).collect();
            assert_eq!(set.fingerprints(), wanted, "{phase}");
            assert_eq!(set.untrusted().is_some(), trusted.len() == 1, "{phase}");
            assert_eq!(phase.as_str().parse(), Ok(phase));
            let read = bellows_proto::tls::authorities(&set.bundle()).unwrap();
            assert!(read.iter().map(|one| one.to_vec()).eq(wanted), "{phase}");
        }
        let alone = Authorities::alone(authority());
        assert_eq!(alone.signing().digest(), alone.own().digest());
        assert_eq!((alone.trusted().len(), alone.untrusted().is_none()), (1, true));
    }

    #[test]
    fn trust_first_then_the_certificate_then_the_parting() {
        for (phase, issuer, trusts, lack) in [
            (Phase::Trust, "old", &["old"][..], Some(Lack::Trust)),
            (Phase::Trust, "old", &["old", "new"], None),
            (Phase::Issue, "old", &["old"], Some(Lack::Trust)),
            (Phase::Issue, "old", &["old", "new"], Some(Lack::Certificate)),
            (Phase::Issue, "new", &["old", "new"], None),
            (Phase::Retire, "new", &["old", "new"], Some(Lack::Parting)),
            (Phase::Retire, "old", &["old", "new"], Some(Lack::Certificate)),
            (Phase::Retire, "new", &["new"], None),
            (Phase::Back, "new", &["old", "new"], Some(Lack::Certificate)),
            (Phase::Back, "old", &["old", "new"], None),
            (Phase::Back, "old", &["old"], Some(Lack::Trust)),
            (Phase::Drop, "old", &["old", "new"], Some(Lack::Parting)),
            (Phase::Drop, "old", &["old"], None),
        ] {
            let set = set(phase);
            let trusts = trusts.iter().map(|one| of(&set, one)).collect();
            let facts = HostFacts { issuer: of(&set, issuer), trusts };
            assert_eq!(
                set.lacks(&facts),
                lack,
                "{phase}: {issuer}, {} trusted",
                facts.trusts.len()
            );
        }
        // Nothing is known of it: nothing is proven.
        let alone = Authorities::alone(authority());
        assert_eq!(alone.lacks(&HostFacts::default()), Some(Lack::Trust));
    }

    #[test]
    fn nobody_is_left_behind_and_after_retire_there_is_only_forward() {
        let free = InTheWay::default;
        let held = || InTheWay { hosts: vec!["h2".into()], ..InTheWay::default() };
        assert_eq!(decide(Asked::Start, None, held()), Ok(Change::Begin));
        for asked in [Asked::Next, Asked::Back] {
            assert_eq!(decide(asked, None, free()), Err(Refused::NotBegun));
        }
        for (phase, next) in [
            (Phase::Trust, Change::To(Phase::Issue)),
            (Phase::Issue, Change::To(Phase::Retire)),
            (Phase::Retire, Change::Taken),
            (Phase::Back, Change::To(Phase::Drop)),
            (Phase::Drop, Change::Dropped),
        ] {
            assert_eq!(decide(Asked::Start, Some(phase), free()), Err(Refused::Begun(phase)));
            assert_eq!(decide(Asked::Next, Some(phase), free()), Ok(next));
            let refused = decide(Asked::Next, Some(phase), held()).unwrap_err();
            assert!(refused.to_string().contains("host h2"), "{refused}");
            let back = match phase {
                Phase::Trust | Phase::Issue => Ok(Change::To(Phase::Back)),
                Phase::Retire => Err(Refused::OnlyForward),
                Phase::Back | Phase::Drop => Err(Refused::GoesBack(phase)),
            };
            assert_eq!(decide(Asked::Back, Some(phase), held()), back, "{phase}");
        }
        for way in [
            InTheWay { users: vec!["alice (viewer)".into()], ..InTheWay::default() },
            InTheWay { own: true, ..InTheWay::default() },
        ] {
            assert!(decide(Asked::Next, Some(Phase::Issue), way).is_err());
        }
    }
}

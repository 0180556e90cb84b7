//! What is to be said for Home Assistant, beside what the broker keeps of it already.
//!
//! A state machine without I/O. It first hears what the broker keeps, then says what is missing. What nobody wants any more is
//! taken back only when all peers that are there want the same: a peer with an older site file must not take away what the
//! others show, nor the others what it shows (docs/decisions/0026-what-appears-in-home-assistant.md).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use smc_core::digest::Digest;
use smc_core::name::NodeName;
use smc_core::time::Timestamp;
use smc_mqtt::topic;

use super::{Message, Place, thing_of};

/// How long after it connected a peer hears what the broker keeps.
const HEARING: Duration = Duration::from_secs(1);
/// How long Home Assistant is given to take away what comes again in another form.
const PAUSE: Duration = Duration::from_secs(1);
/// How long after hearing of something that nobody seems to want it is looked at (again): by then the others have said in their
/// status what they want.
const TIDY: Duration = Duration::from_secs(5);
/// The most messages that are said at once, and how long until the next: what is computed comes first.
const AT_ONCE: usize = 200;
const BREATH: Duration = Duration::from_millis(100);
/// The most messages to be taken back that are kept in mind; what is beyond is heard of with the next connection.
const MAX_STALE: usize = 4_096;

/// What is kept, what is missing, what is too much.
#[derive(Debug, Default)]
pub(crate) struct Announcer {
    /// When to say what is missing.
    speak_at: Option<Timestamp>,
    /// When to look at what nobody seems to want.
    tidy_at: Option<Timestamp>,
    /// What the broker has as it should be.
    kept: BTreeSet<Place>,
    /// What stands for a thing that is wanted, in another form.
    wrong: BTreeSet<Place>,
    /// What stands for a thing that is not wanted.
    stale: BTreeSet<Place>,
    /// What the other peers want, in a digest.
    others: BTreeMap<NodeName, Digest>,
}

/// What to publish, all of it retained; nothing is a removal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Say {
    /// A message that is missing.
    Message(Place, Vec<u8>),
    /// This is to go.
    Removal(Place),
}

impl Announcer {
    /// A connection has come about: what the broker keeps comes now.
    pub(crate) fn handle_connected(&mut self, now: Timestamp) {
        self.kept.clear();
        self.wrong.clear();
        self.stale.clear();
        self.tidy_at = None;
        self.speak_at = Some(now + HEARING);
    }

    /// The broker keeps this. `own` is what this peer says of the same thing, if it wants it.
    pub(crate) fn handle_kept(
        &mut self,
        now: Timestamp,
        place: Place,
        payload: &[u8],
        own: Option<&[Message]>,
    ) {
        if payload.is_empty() {
            return self.forget(&place);
        }
        let Some(own) = own else {
            if self.stale.len() < MAX_STALE {
                self.stale.insert(place);
                self.tidy_at.get_or_insert(now + TIDY);
            }
            return;
        };
        match own.iter().find(|message| message.place == place) {
            Some(message) if message.payload == payload => {
                self.kept.insert(place);
            }
            // It is said anew.
            Some(_) => {}
            None => {
                self.wrong.insert(place);
                self.speak_at.get_or_insert(now + PAUSE);
            }
        }
    }

    /// Somebody published it, or took it back.
    pub(crate) fn forget(&mut self, place: &Place) {
        self.kept.remove(place);
        self.wrong.remove(place);
        self.stale.remove(place);
    }

    /// What is wanted has changed.
    pub(crate) fn handle_changed(&mut self, now: Timestamp) {
        self.speak_at.get_or_insert(now);
    }

    /// The list of members is another one: what is not wanted by it any more is too much.
    pub(crate) fn handle_moved(&mut self, now: Timestamp, wanted: &BTreeSet<topic::Entity>) {
        let (kept, stale): (BTreeSet<_>, _) = std::mem::take(&mut self.kept)
            .into_iter()
            .partition(|(_, about)| wanted.contains(&thing_of(about)));
        self.kept = kept;
        self.stale.extend(stale);
        if !self.stale.is_empty() {
            self.tidy_at.get_or_insert(now + TIDY);
        }
        self.handle_changed(now);
    }

    /// What another peer says that it wants; nothing if it shows nothing.
    pub(crate) fn handle_wish(&mut self, peer: &NodeName, wish: Option<Digest>) {
        match wish {
            Some(wish) => self.others.insert(peer.clone(), wish),
            None => self.others.remove(peer),
        };
    }

    /// When [`Announcer::speak`] or [`Announcer::tidy`] is due.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        self.speak_at.into_iter().chain(self.tidy_at).min()
    }

    /// Whether it is time to say what is missing.
    pub(crate) fn speaks(&self, now: Timestamp) -> bool {
        self.speak_at.is_some_and(|due| due <= now)
    }

    /// Whether it is time to look at what nobody seems to want.
    pub(crate) fn tidies(&self, now: Timestamp) -> bool {
        self.tidy_at.is_some_and(|due| due <= now)
    }

    /// Says what is missing of `wanted`; before that, takes back what stands there in another form.
    pub(crate) fn speak(&mut self, now: Timestamp, wanted: impl IntoIterator<Item = Message>) -> Vec<Say> {
        if !self.wrong.is_empty() {
            self.speak_at = Some(now + PAUSE);
            return std::mem::take(&mut self.wrong).into_iter().map(Say::Removal).collect();
        }
        self.speak_at = None;
        let mut said = Vec::new();
        for Message { place, payload } in wanted {
            if self.kept.contains(&place) {
                continue;
            }
            if said.len() == AT_ONCE {
                self.speak_at = Some(now + BREATH);
                break;
            }
            self.stale.remove(&place);
            self.kept.insert(place.clone());
            said.push(Say::Message(place, payload));
        }
        said
    }

    /// Takes back what nobody wants, if all of `there`, the other peers that are connected, want the same as this one.
    pub(crate) fn tidy(
        &mut self,
        now: Timestamp,
        wanted: &BTreeSet<topic::Entity>,
        there: impl IntoIterator<Item = NodeName>,
    ) -> Vec<Say> {
        self.stale.retain(|(_, about)| !wanted.contains(&thing_of(about)));
        let own = wish(wanted);
        let agreed = there.into_iter().all(|peer| self.others.get(&peer).is_none_or(|other| *other == own));
        self.tidy_at = (!agreed && !self.stale.is_empty()).then(|| now + TIDY);
        if !agreed {
            return Vec::new();
        }
        std::mem::take(&mut self.stale).into_iter().map(Say::Removal).collect()
    }
}

/// What a peer wants to appear, in a digest.
pub(crate) fn wish(wanted: &BTreeSet<topic::Entity>) -> Digest {
    let mut hash = Sha256::new();
    for thing in wanted {
        // Names have no line feeds.
        hash.update(format!("{thing}\n"));
    }
    Digest(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use smc_mqtt::topic::{Component, Entity};

    use super::*;

    const NOON: Timestamp = Timestamp::from_secs(1_767_268_800);

    fn query(name: &str) -> Entity {
        Entity::Result(name.parse().unwrap())
    }

    fn message(component: Component, about: Entity) -> Message {
        Message { place: (component, about), payload: b"{}".to_vec() }
    }

    fn of(name: &str) -> Message {
        message(Component::Sensor, query(name))
    }

    fn wanted(names: &[&str]) -> BTreeSet<Entity> {
        names.iter().map(|name| query(name)).collect()
    }

    fn peer(name: &str) -> NodeName {
        name.parse().unwrap()
    }

    #[test]
    fn only_what_the_broker_lacks_is_said() {
        let mut announcer = Announcer::default();
        announcer.handle_connected(NOON);
        announcer.handle_kept(NOON, of("a").place, b"{}", Some(&[of("a")]));
        announcer.handle_kept(NOON, of("b").place, b"{\"old\":1}", Some(&[of("b")]));
        assert!(!announcer.speaks(NOON), "first it hears");
        let now = announcer.due().unwrap();
        let said = announcer.speak(now, [of("a"), of("b"), of("c")]);
        let say = |name: &str| Say::Message(of(name).place, b"{}".to_vec());
        assert_eq!(said, [say("b"), say("c")]);
        announcer.handle_changed(now);
        assert_eq!(announcer.speak(now, [of("a"), of("b"), of("c"), of("d")]), [say("d")]);
        assert_eq!(announcer.due(), None);
    }

    #[test]
    fn a_crowd_is_said_bit_by_bit() {
        let mut announcer = Announcer::default();
        let crowd = || (0..AT_ONCE + 1).map(|number| of(&format!("q{number}")));
        assert_eq!(announcer.speak(NOON, crowd()).len(), AT_ONCE);
        let later = announcer.due().unwrap();
        assert!(later > NOON);
        assert_eq!(announcer.speak(later, crowd()).len(), 1);
        assert_eq!(announcer.due(), None);
    }

    #[test]
    fn another_form_goes_before_the_own_comes() {
        let mut announcer = Announcer::default();
        announcer.handle_connected(NOON);
        let other = message(Component::Device, query("a"));
        announcer.handle_kept(NOON, other.place.clone(), b"{}", Some(&[of("a")]));
        let now = announcer.due().unwrap();
        assert_eq!(announcer.speak(now, [of("a")]), [Say::Removal(other.place)]);
        assert!(!announcer.speaks(now));
        let later = announcer.due().unwrap();
        assert_eq!(announcer.speak(later, [of("a")]), [Say::Message(of("a").place, b"{}".to_vec())]);
    }

    #[test]
    fn what_another_peer_may_want_is_not_taken_back() {
        let mut announcer = Announcer::default();
        announcer.handle_connected(NOON);
        announcer.handle_kept(NOON, of("gone").place, b"{}", None);
        let own = wanted(&["a"]);
        let there = || [peer("peer-2"), peer("peer-3")];
        // One has an older site file; another shows nothing in Home Assistant, and has no say.
        announcer.handle_wish(&peer("peer-2"), Some(wish(&wanted(&["a", "gone"]))));
        assert!(!announcer.tidies(NOON));
        assert!(announcer.tidy(NOON + TIDY, &own, there()).is_empty());
        assert!(announcer.tidies(NOON + 2 * TIDY), "it looks again");
        announcer.handle_wish(&peer("peer-2"), Some(wish(&own)));
        assert_eq!(announcer.tidy(NOON + 2 * TIDY, &own, there()), [Say::Removal(of("gone").place)]);
        assert_eq!(announcer.tidy_at, None);
    }

    #[test]
    fn what_is_wanted_after_all_is_not_taken_back() {
        let mut announcer = Announcer::default();
        announcer.handle_kept(NOON, of("a").place, b"{}", None);
        assert!(announcer.tidy(NOON + TIDY, &wanted(&["a"]), []).is_empty());
    }

    #[test]
    fn what_somebody_took_back_is_said_again_when_it_is_wanted_again() {
        let mut announcer = Announcer::default();
        assert_eq!(announcer.speak(NOON, [of("a")]).len(), 1);
        announcer.handle_kept(NOON, of("a").place, b"", None);
        assert_eq!(announcer.speak(NOON, [of("a")]).len(), 1);
    }

    #[test]
    fn who_is_no_member_any_more_goes() {
        let mut announcer = Announcer::default();
        announcer.speak(NOON, [of("a"), of("b")]);
        announcer.handle_moved(NOON, &wanted(&["a"]));
        assert_eq!(announcer.tidy(NOON + TIDY, &wanted(&["a"]), []), [Say::Removal(of("b").place)]);
    }

    #[test]
    fn no_more_is_kept_in_mind_than_there_is_room_for() {
        let mut announcer = Announcer::default();
        for number in 0..2 * MAX_STALE {
            announcer.handle_kept(NOON, of(&format!("q{number}")).place, b"{}", None);
        }
        assert_eq!(announcer.stale.len(), MAX_STALE);
    }
}

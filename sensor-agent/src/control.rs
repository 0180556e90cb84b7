//! What the agent's owner does not want it to share: a file on this machine, what the owner signed, and the switches in
//! the owner's Home Assistant (docs/owners.md). All count together.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use smc_core::control::{ControlError, Controls};
use smc_core::name::StreamName;
use smc_core::protocol::terms::Terms;
use smc_core::time::Timestamp;
use smc_mqtt::files;
use tracing::{info, warn};

use crate::switches::Switch;

/// The longest control file, in bytes.
const MAX_FILE: u64 = 256 * 1024;

/// The control file as people write it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Share nothing.
    #[serde(default)]
    paused: bool,
    /// Share nothing of these.
    #[serde(default)]
    paused_streams: BTreeSet<StreamName>,
    /// Take no part in results for these purposes.
    #[serde(default)]
    paused_purposes: BTreeSet<String>,
}

/// What the owner wants, from all places.
#[derive(Debug)]
pub(crate) struct Control {
    path: Option<PathBuf>,
    /// The file's text when it was looked at last.
    seen: Option<Vec<u8>>,
    file: Settings,
    signed: Controls,
    switched: Settings,
}

impl Settings {
    fn pauses(&self, stream: &StreamName) -> bool {
        self.paused || self.paused_streams.contains(stream)
    }

    /// Whether what `switch` is for is paused by itself.
    fn is_off(&self, switch: &Switch) -> bool {
        match switch {
            Switch::All => self.paused,
            Switch::Purpose(purpose) => self.paused_purposes.contains(purpose),
            Switch::Stream(stream) => self.paused_streams.contains(stream),
        }
    }

    fn set(&mut self, switch: &Switch, on: bool) {
        match switch {
            Switch::All => self.paused = !on,
            Switch::Purpose(purpose) if on => drop(self.paused_purposes.remove(purpose)),
            Switch::Purpose(purpose) => drop(self.paused_purposes.insert(purpose.clone())),
            Switch::Stream(stream) if on => drop(self.paused_streams.remove(stream)),
            Switch::Stream(stream) => drop(self.paused_streams.insert(stream.clone())),
        }
    }
}

impl Control {
    /// The file at `path`, if there is to be one, and what was remembered beside it.
    pub(crate) fn new(path: Option<PathBuf>, signed: Controls, now: Timestamp) -> Self {
        let (file, switched) = (Settings::default(), Settings::default());
        let mut control = Self { path, seen: None, file, signed, switched };
        control.switched = settings(control.switches().as_deref()).1;
        if let Some(Ok(json)) = control.memory().map(std::fs::read)
            && let Err(error) = control.signed.take(now, &json)
        {
            warn!(%error, "what is remembered of the owner's control can't be used");
        }
        control.look();
        control
    }

    /// Whether nothing may be shared of `stream`.
    pub(crate) fn is_paused(&self, stream: &StreamName) -> bool {
        let signed = self.signed.newest();
        let signed = signed.is_some_and(|newest| newest.paused || newest.paused_streams.contains(stream));
        signed || self.file.pauses(stream) || self.switched.pauses(stream)
    }

    /// Whether nothing pauses what `switch` is for: a switch does not outvote the file or what was signed.
    pub(crate) fn is_on(&self, switch: &Switch) -> bool {
        let signed = self.signed.newest().is_some_and(|newest| match switch {
            Switch::All => newest.paused,
            Switch::Purpose(purpose) => newest.paused_purposes.contains(purpose),
            Switch::Stream(stream) => newest.paused_streams.contains(stream),
        });
        !(signed || self.file.is_off(switch) || self.switched.is_off(switch))
    }

    /// Remembers how a switch stands, across restarts too.
    pub(crate) fn switch(&mut self, switch: &Switch, on: bool) {
        self.switched.set(switch, on);
        let text = toml::to_string(&self.switched).unwrap_or_default();
        keep(self.switches(), text.as_bytes(), "the owner's switches");
    }

    /// `terms`, and no part in results for the purposes that are paused. More than terms can name pause them all: what the
    /// owner wants kept back must not depend on how much room there is.
    pub(crate) fn terms(&self, terms: Terms) -> Terms {
        let signed = self.signed.newest().into_iter().flat_map(|newest| &newest.paused_purposes);
        let mut purposes = signed
            .chain(&self.file.paused_purposes)
            .chain(&self.switched.paused_purposes)
            .collect::<BTreeSet<_>>()
            .into_iter();
        let refused = purposes.try_fold(terms, |terms, purpose| terms.refuse_purpose(purpose));
        refused
            .or_else(|error| {
                warn!(%error, "takes part in no results at all while so many purposes are paused");
                terms.only_functions([])
            })
            .unwrap_or(terms)
    }

    /// Looks at the file again; whether it has changed.
    pub(crate) fn look(&mut self) -> bool {
        let Some(path) = self.path.clone() else { return false };
        if self.seen == read(&path) {
            return false;
        }
        let (read, file) = settings(Some(&path));
        self.file = file;
        let Settings { paused, paused_streams, .. } = &self.file;
        info!(file = %path.display(), paused, streams = paused_streams.len(), "the owner's control was read");
        self.seen = read;
        true
    }

    /// Takes in what came on the control's topic; whether it is new.
    ///
    /// # Errors
    /// Why it does not count.
    pub(crate) fn take(&mut self, now: Timestamp, json: &[u8]) -> Result<bool, ControlError> {
        match self.signed.take(now, json) {
            Ok(()) => {
                keep(self.memory(), json, "the owner's signed control");
                Ok(true)
            }
            // The newest one comes again with every connection.
            Err(ControlError::NotNew) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Where the newest signed control is kept: beside the file.
    fn memory(&self) -> Option<PathBuf> {
        self.path.as_ref().map(|path| path.with_extension("signed.json"))
    }

    /// Where it is kept how the switches stand.
    fn switches(&self) -> Option<PathBuf> {
        self.path.as_ref().map(|path| path.with_extension("switches.toml"))
    }
}

/// Keeps `bytes` in `memory`: all of them or what was there before.
fn keep(memory: Option<PathBuf>, bytes: &[u8], what: &str) {
    let Some(memory) = memory else {
        warn!("not remembered across restarts, as `control` names no file: {what}");
        return;
    };
    if let Err(error) = files::replace(&memory, bytes) {
        warn!(file = %memory.display(), %error, "could not be remembered: {what}");
    }
}

/// The bytes of the file at `path`, and what they say.
fn settings(path: Option<&Path>) -> (Option<Vec<u8>>, Settings) {
    let read = path.and_then(read);
    let settings = match read.as_deref().map(parse) {
        None => Settings::default(),
        Some(Ok(settings)) => settings,
        Some(Err(error)) => {
            // Whoever writes such a file wants something kept back: until it is known what, that is everything.
            warn!(file = %path.unwrap_or(Path::new("")).display(), error, "a control file that can't be read pauses everything");
            Settings { paused: true, ..Settings::default() }
        }
    };
    (read, settings)
}

/// The file's bytes; nothing if there is none, and something that is no control file if it can't be read.
fn read(path: &Path) -> Option<Vec<u8>> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Ok(about) if about.len() <= MAX_FILE => Some(std::fs::read(path).unwrap_or_else(|_| vec![0xff])),
        _ => Some(vec![0xff]),
    }
}

fn parse(bytes: &[u8]) -> Result<Settings, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it can't be read as text".to_owned())?;
    toml::from_str(text).map_err(|error| error.message().to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand_chacha::ChaCha20Rng;
    use smc_core::control::{Control as Document, sign};
    use smc_core::identity::SigningKey;
    use smc_mqtt::entropy;

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_767_268_800);

    fn stream(name: &str) -> StreamName {
        name.parse().unwrap()
    }

    fn controls(key: &SigningKey) -> Controls {
        Controls::new("hq".parse().unwrap(), "room-1".parse().unwrap(), key.verifying_key())
    }

    fn key() -> SigningKey {
        let mut rng: ChaCha20Rng = entropy::rng().unwrap();
        SigningKey::generate(&mut rng)
    }

    #[test]
    fn the_file_is_read_again_when_it_changes_and_pauses_everything_when_it_is_garbled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.toml");
        let mut control = Control::new(Some(path.clone()), controls(&key()), NOW);
        let both =
            |control: &Control| (control.is_paused(&stream("co2")), control.is_paused(&stream("motion")));
        assert_eq!(both(&control), (false, false));
        for (text, paused) in [
            ("paused_streams = [\"motion\"]", (false, true)),
            ("paused = true", (true, true)),
            ("", (false, false)),
            ("pausd = true", (true, true)),
            ("\u{0}", (true, true)),
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(control.look(), "{text}");
            assert_eq!(both(&control), paused, "{text}");
            assert!(!control.look(), "{text}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(control.look());
        assert_eq!(both(&control), (false, false));
    }

    #[test]
    fn what_the_owner_signed_is_remembered_and_an_older_one_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = Some(folder.path().join("control.toml"));
        let key = key();
        let signed = |seconds, streams: &[&str]| {
            let issued = Timestamp::from_secs(seconds);
            let (site, agent) = ("hq".parse().unwrap(), "room-1".parse().unwrap());
            let paused_streams: BTreeSet<_> = streams.iter().map(|name| stream(name)).collect();
            let paused_purposes = BTreeSet::from(["adverts".to_owned()]);
            sign(Document { v: 1, site, agent, paused: false, paused_streams, paused_purposes, issued }, &key)
        };
        let mut control = Control::new(path.clone(), controls(&key), NOW);
        assert_eq!(control.take(NOW, &signed(10, &[])), Ok(true));
        assert_eq!(control.take(NOW, &signed(11, &["motion"])), Ok(true));
        let mut restarted = Control::new(path, controls(&key), NOW);
        assert!(restarted.is_paused(&stream("motion")) && !restarted.is_paused(&stream("co2")));
        assert_eq!(restarted.take(NOW, &signed(10, &[])), Ok(false));
        assert!(restarted.is_paused(&stream("motion")));
        assert_eq!(restarted.terms(Terms::default()), Terms::default().refuse_purpose("adverts").unwrap());
    }

    #[test]
    fn switches_are_remembered_and_do_not_outvote_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = Some(folder.path().join("control.toml"));
        let (motion, purpose) = (Switch::Stream(stream("motion")), Switch::Purpose("air".to_owned()));
        let mut control = Control::new(path.clone(), controls(&key()), NOW);
        for switch in [&motion, &purpose] {
            control.switch(switch, false);
        }
        let mut restarted = Control::new(path.clone(), controls(&key()), NOW);
        assert!(restarted.is_paused(&stream("motion")) && !restarted.is_paused(&stream("co2")));
        assert!(!restarted.is_on(&motion) && !restarted.is_on(&purpose) && restarted.is_on(&Switch::All));
        assert_eq!(restarted.terms(Terms::default()), Terms::default().refuse_purpose("air").unwrap());

        std::fs::write(path.as_ref().unwrap(), "paused_streams = [\"motion\"]").unwrap();
        assert!(restarted.look());
        restarted.switch(&motion, true);
        restarted.switch(&purpose, true);
        assert!(!restarted.is_on(&motion) && restarted.is_paused(&stream("motion")));
        assert!(restarted.is_on(&purpose));

        std::fs::write(folder.path().join("control.switches.toml"), "\u{0}").unwrap();
        assert!(
            Control::new(path, controls(&key()), NOW).is_paused(&stream("co2")),
            "until it is known what"
        );
    }

    #[test]
    fn purposes_of_both_places_are_refused_and_too_many_refuse_everything() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.toml");
        let own = Terms::of_at_least(8).allow_purpose("air").unwrap();
        std::fs::write(&path, "paused_purposes = [\"adverts\", \"rent\"]").unwrap();
        let mut control = Control::new(Some(path.clone()), controls(&key()), NOW);
        let both = own.refuse_purpose("adverts").unwrap().refuse_purpose("rent").unwrap();
        assert_eq!(control.terms(own), both);
        std::fs::write(&path, "paused_purposes = [\"a\", \"b\", \"c\", \"d\"]").unwrap();
        assert!(control.look());
        assert_eq!(control.terms(own), own.only_functions([]).unwrap());
    }
}

//! Where the programs are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A program of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Agent,
    Broker,
    Murmur,
    Peer,
}

impl Program {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Agent => "sensor-agent",
            Self::Broker => "smc-broker",
            Self::Murmur => "murmur",
            Self::Peer => "smc-peer",
        }
    }

    /// A command that runs it, with nothing of this machine's environment that could change what it does.
    pub(crate) fn command(self) -> Command {
        let path = match self {
            Self::Murmur => PathBuf::from(env!("CARGO_BIN_EXE_murmur")),
            role => built().join(role.name()),
        };
        let mut command = Command::new(path);
        let ours = |name: &str| name.starts_with("MURMUR") || name == "RUST_LOG";
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(ours)) {
            command.env_remove(name);
        }
        command
    }
}

/// The folder with the programs of the roles.
///
/// Cargo tells a test about the programs of its own package alone, so the other packages' are built here, once per
/// run, with the profile of this test and into the same folder. Where all tests of the workspace were built they are
/// there already, and whoever runs them says so by `ROLES_ARE_BUILT`: by themselves the programs have fewer features of
/// their dependencies, and building those again takes minutes.
fn built() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_BIN_EXE_murmur")).parent().unwrap().to_owned();
        if std::env::var_os("ROLES_ARE_BUILT").is_some() {
            return folder;
        }
        let profile = match folder.file_name().and_then(|name| name.to_str()).unwrap() {
            "debug" => "dev",
            profile => profile,
        };
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--locked", "--profile", profile]).arg("--target-dir");
        cargo.arg(folder.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
        for role in [Program::Agent, Program::Broker, Program::Peer] {
            cargo.args(["--package", role.name()]);
        }
        let built = cargo.status().expect("cargo runs");
        assert!(built.success(), "the programs of the roles could not be built");
        folder
    })
}

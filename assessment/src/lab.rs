//! A laboratory: hosts in network namespaces of their own, a relay that joins them and does to their packets what is asked,
//! and processes on them, limited and measured.
//!
//! Everything that it makes ends with it, also when this program is killed: namespaces and devices have no names and are held
//! by file descriptors alone, processes by a guard. What outlives a kill, control groups and a folder, has a name that says
//! whose it is; the next lab takes it away. Nothing is changed outside of its own namespaces: no firewall rule, no queueing
//! discipline, no route; but a frequency that was asked for, which is put back.

mod awake;
mod calibration;
mod cgroup;
mod cores;
mod error;
mod folder;
mod frequency;
mod guard;
mod host;
mod impairment;
mod limits;
mod namespace;
mod netem;
mod netlink;
mod owner;
mod process;
mod proxy;
mod relay;
mod rootless;
mod urgent;

use std::collections::BTreeSet;
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tappers::{AddAddressV4, DeviceState, Interface, Tun};
use tokio::runtime::Handle;

use self::awake::Awake;
use self::calibration::Sender;
pub use self::calibration::{Calibration, Measured, Verdict};
use self::cgroup::Cgroups;
use self::cores::Cores;
pub use self::error::LabError;
use self::folder::Folder;
use self::frequency::Frequency;
use self::guard::Guard;
use self::host::Way;
pub use self::host::{Host, Wire};
use self::impairment::Shape;
pub use self::impairment::{Impairment, LATENCY_MS_MAX};
pub use self::limits::Limits;
use self::namespace::Namespace;
use self::netem::Netem;
use self::owner::Owner;
pub use self::process::Process;
use self::proxy::{Proxies, Proxy};
use self::relay::Relay;
pub use self::relay::RelayCount;
pub use self::rootless::become_root_within;
use crate::meter::Events;

/// The name of each host's interface, in its own namespace.
const INTERFACE: &str = "lab0";

/// How a lab is to be made.
#[derive(Debug, Clone)]
pub struct LabOptions {
    /// What joins the hosts.
    pub link: Link,
    /// In which folder the lab's own is made, and those of dead labs are looked for.
    pub temporary: PathBuf,
    /// What losses, jitter and overtaking are thrown by.
    pub seed: u64,
    /// Where the kernel lets frequencies be set.
    pub cpufreq: PathBuf,
}

impl Default for LabOptions {
    fn default() -> Self {
        Self {
            link: Link::Auto,
            temporary: std::env::temp_dir(),
            seed: 0,
            cpufreq: frequency::POLICIES.into(),
        }
    }
}

/// What is to join the hosts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Link {
    /// The relay where namespaces can be made, otherwise proxies.
    #[default]
    Auto,
    /// The kernel's own emulation, where it has one.
    Netem,
    /// Proxies on the loopback, which delay and slow down alone.
    Proxy,
    /// The relay that this crate brings.
    Relay,
}

/// What joins the hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// The kernel's own emulation.
    Netem,
    /// Proxies.
    Proxy,
    /// The relay.
    Relay,
}

/// Hosts, what joins them, and what is tidied up after them.
#[derive(Debug)]
pub struct Lab {
    switch: Switch,
    hosts: BTreeSet<String>,
    notes: Vec<String>,
    /// Two hosts between which the network is measured, once it was.
    probes: Option<Arc<(Host, Host)>>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
enum Switch {
    Netem(Netem),
    Proxies(Arc<Proxies>),
    Relay(Relay),
}

/// What hosts need of their lab.
#[derive(Debug)]
struct Shared {
    guard: Mutex<Option<Guard>>,
    cgroups: Cgroups,
    folder: Folder,
    /// Cores are kept awake as long as there is a host.
    _awake: Option<Awake>,
    frequency: Frequency,
    cores: Cores,
    runtime: Handle,
    processes: AtomicU32,
}

impl Lab {
    /// Opens a lab without hosts and without impairments, and takes away what dead ones left. To be called on a Tokio runtime.
    ///
    /// # Errors
    ///
    /// If what was asked for can't be had here: without rights, or without a folder.
    pub async fn open(options: LabOptions) -> Result<Self, LabError> {
        static LABS: AtomicU32 = AtomicU32::new(0);
        let owner = Owner::current(LABS.fetch_add(1, Ordering::Relaxed)).ok_or(LabError::Proc)?;
        let mut notes = Vec::new();
        let switch = match options.link {
            Link::Netem => Switch::Netem(Netem::open()?),
            Link::Relay => Switch::relay(options.seed, &mut notes)?,
            Link::Proxy => Switch::proxies(&mut notes),
            Link::Auto => match Switch::relay(options.seed, &mut notes) {
                Ok(relay) => relay,
                Err(error) => {
                    notes.push(format!("no network was made: {error}"));
                    Switch::proxies(&mut notes)
                }
            },
        };
        notes.extend(Events::note().map(str::to_owned));
        let awake = Awake::keep();
        notes.extend(awake.as_ref().err().map(|error| {
            format!("cores may fall asleep, since /dev/cpu_dma_latency can't be written ({error}); that may add to delays")
        }));
        let runtime = Handle::current();
        let guard = match Guard::start(&runtime) {
            Ok(guard) => Some(guard),
            Err(error) => {
                notes.push(format!(
                    "processes are not guarded, and outlive this program if it is killed: {error}"
                ));
                None
            }
        };
        let folder = Folder::make(&options.temporary, &owner, &options.cpufreq)?;
        let shared = Shared {
            guard: Mutex::new(guard),
            cgroups: Cgroups::open(&owner, &mut notes),
            frequency: Frequency::new(&options.cpufreq, folder.path()),
            folder,
            _awake: awake.ok(),
            cores: Cores::allowed(),
            runtime,
            processes: AtomicU32::new(0),
        };
        Ok(Self { switch, hosts: BTreeSet::new(), notes, probes: None, shared: Arc::new(shared) })
    }

    /// What joins the hosts.
    pub fn kind(&self) -> LinkKind {
        match self.switch {
            Switch::Netem(_) => LinkKind::Netem,
            Switch::Proxies(_) => LinkKind::Proxy,
            Switch::Relay(_) => LinkKind::Relay,
        }
    }

    /// What is not as it should be here, and why: sentences for the report.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// A folder for what nodes keep, which nobody else may look into. It is removed with the lab.
    pub fn folder(&self) -> &Path {
        self.shared.folder.path()
    }

    /// What the relay has done so far, and what it cost; none without one.
    pub fn relay(&self) -> Option<RelayCount> {
        match &self.switch {
            Switch::Netem(_) | Switch::Proxies(_) => None,
            Switch::Relay(relay) => Some(relay.count()),
        }
    }

    /// Makes a host, with this name and an address of its own.
    ///
    /// # Errors
    ///
    /// If the name is taken, or there are no more addresses, or the namespace can't be made.
    pub async fn host(&mut self, name: &str) -> Result<Host, LabError> {
        if self.hosts.contains(name) {
            return Err(LabError::Name(name.to_owned()));
        }
        let number = u8::try_from(self.hosts.len()).unwrap_or(u8::MAX);
        if number >= relay::HOSTS_MAX {
            return Err(LabError::TooManyHosts(relay::HOSTS_MAX));
        }
        let (address, way) = self.switch.join(number, &self.shared.runtime)?;
        self.hosts.insert(name.to_owned());
        Ok(Host { name: name.to_owned(), address: address.into(), way, shared: Arc::clone(&self.shared) })
    }

    /// From now on, all links are like this. What is on its way goes on as it was.
    ///
    /// # Errors
    ///
    /// If there is no such network.
    pub fn impair(&self, impairment: Impairment) -> Result<(), LabError> {
        let shape = Shape::try_from(&impairment)?;
        match &self.switch {
            Switch::Netem(netem) => netem.impair(&impairment)?,
            Switch::Proxies(proxies) => proxies.shape(shape),
            Switch::Relay(relay) => relay.shape(shape)?,
        }
        Ok(())
    }

    /// From now on, all cores run at so many MHz; none: as they did before this lab.
    ///
    /// # Errors
    ///
    /// If this machine does not let it be set so.
    pub fn set_frequency(&self, mhz: Option<u32>) -> Result<(), LabError> {
        self.shared.frequency.set(mhz)
    }

    /// Makes the network so, and measures whether it is: what was asked for beside what two hosts of its own see. With
    /// [`Impairment::NONE`] it is what the lab itself costs. Nothing else should be running; it takes a few seconds.
    ///
    /// # Errors
    ///
    /// If there is no such network, or nothing could be measured. That it is off is no error but the calibration's verdict.
    pub async fn calibrate(&mut self, impairment: &Impairment) -> Result<Calibration, LabError> {
        self.impair(*impairment)?;
        let probes = match &self.probes {
            Some(probes) => Arc::clone(probes),
            None => {
                let probes =
                    Arc::new((self.host("calibration near").await?, self.host("calibration far").await?));
                self.probes = Some(Arc::clone(&probes));
                probes
            }
        };
        let (asked, kind) = (*impairment, self.kind());
        let measured = tokio::task::spawn_blocking(move || measure(&probes, &asked, kind)).await;
        let measured = measured.map_err(|error| LabError::Thread(error.into()))??;
        Ok(Calibration::judge(asked, kind, measured))
    }

    /// Ends all processes and takes everything away.
    ///
    /// # Errors
    ///
    /// None so far; what can't be taken away the next lab sweeps.
    pub async fn close(self) -> Result<(), LabError> {
        let guard = self.shared.guard.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(guard) = guard {
            guard.end().await;
        }
        Ok(())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Hosts may live on, but not what runs on them. A guard that is dropped is killed, and with it all others.
        drop(self.shared.guard.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.shared.cgroups.remove();
        self.shared.frequency.put_back();
        self.shared.folder.remove();
    }
}

impl Switch {
    fn relay(seed: u64, notes: &mut Vec<String>) -> Result<Self, LabError> {
        // Whether hosts can be made is to be known now.
        Namespace::make(|| device(relay::address(0)))?;
        let (relay, urgent) = Relay::start(seed)?;
        notes.extend(urgent.err().map(|error| error.to_string()));
        Ok(Self::Relay(relay))
    }

    fn proxies(notes: &mut Vec<String>) -> Self {
        notes.push(
            "by proxies, delay (to a millisecond) and rate alone are emulated: loss, jitter and overtaking are not, and \
             packets are not counted"
                .to_owned(),
        );
        Self::Proxies(Arc::new(Proxies::new()))
    }

    /// Joins the host of this number.
    fn join(&self, number: u8, runtime: &Handle) -> Result<(Ipv4Addr, Way), LabError> {
        match self {
            Self::Netem(netem) => {
                let (namespace, counters) = netem.join(number)?;
                let (counters, header_bytes) = (Mutex::new(counters), netem::HEADER_BYTES);
                Ok((relay::address(number), Way::Interface { namespace, counters, header_bytes }))
            }
            Self::Proxies(proxies) => {
                let address = proxy::address(number);
                let proxy = Proxy::new(address, Arc::clone(proxies), runtime.clone());
                Ok((address, Way::Proxy(proxy)))
            }
            Self::Relay(relay) => {
                let address = relay::address(number);
                let (namespace, (device, counters)) = Namespace::make(|| device(address))?;
                relay.attach(device)?;
                let (namespace, counters) = (Arc::new(namespace), Mutex::new(counters));
                Ok((address, Way::Interface { namespace, counters, header_bytes: 0 }))
            }
        }
    }
}

fn measure((near, far): &(Host, Host), asked: &Impairment, kind: LinkKind) -> Result<Measured, LabError> {
    calibration::quiet(near, far)?;
    let echoes = calibration::echoes(near, far, asked, kind)?;
    let tcp = calibration::rate_mbit_s(near, far, asked, Sender::Tcp)?;
    calibration::quiet(near, far)?;
    let rate = match asked.rate_mbit_s {
        None => None,
        Some(_) if kind == LinkKind::Proxy => Some(tcp),
        Some(rate) => {
            let arrived = calibration::rate_mbit_s(near, far, asked, Sender::Flood(rate))?;
            // What was lost had been sent.
            Some(arrived / (1.0 - asked.loss_percent / 100.0))
        }
    };
    Ok(Measured::new(&echoes, rate, tcp))
}

/// A device with this address in the namespace of this thread, and the file of its counters.
fn device(address: Ipv4Addr) -> Result<(Tun, File), LabError> {
    let interface = Interface::new(INTERFACE).map_err(LabError::Device)?;
    let mut device = Tun::new_named(interface).map_err(LabError::Device)?;
    let mut network = AddAddressV4::new(address);
    network.set_netmask(24);
    let failed = |what| move |source| LabError::Network { what, source };
    device.set_nonblocking(true).map_err(LabError::Device)?;
    device.add_addr(network).map_err(failed("its address"))?;
    device.set_state(DeviceState::Up).map_err(failed("its interface"))?;
    // A file of this namespace, from wherever it is read later.
    let counters = File::open("/proc/thread-self/net/dev").map_err(failed("its counters"))?;
    Ok((device, counters))
}

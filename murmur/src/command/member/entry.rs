//! What a member list is to say of a node that joins.

use clap::Args;
use smc_core::charter::{Change, LoginHash};
use smc_core::identity::{SealingPublic, VerifyingKey};
use smc_core::name::{NodeName, QuantityName};
use smc_core::pairing::{Application, InvitedAs};
use smc_core::roster::document::{AgentTable, ClientTable, PeerTable, StreamTable};
use smc_mqtt::newcomer::Newcomer;

/// What the node will be: an agent, unless it is said to be a client or a peer.
#[derive(Debug, Default, Args)]
pub(crate) struct Entry {
    /// What an agent measures
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "client")]
    streams: Vec<QuantityName>,
    /// What queries select the agent by, such as floor=1; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = label, conflicts_with = "client")]
    label: Vec<(String, String)>,
    /// It is a client, which may ask and which outputs may be sealed for
    #[arg(long)]
    client: bool,
    /// A group that the client belongs to, for the peers' policies; may be given several times
    #[arg(long = "group", value_name = "NAME", requires = "client")]
    groups: Vec<String>,
    /// It is a peer
    #[arg(skip)]
    peer: Option<Seat>,
}

/// Which place among the peers.
#[derive(Debug, Clone)]
enum Seat {
    Last,
    Of(NodeName),
}

/// The public keys of a node that joins, and its login.
pub(crate) struct Keys {
    name: NodeName,
    identity: VerifyingKey,
    sealing: SealingPublic,
    login: LoginHash,
}

impl Keys {
    /// Of a node whose keys were made here.
    pub(crate) fn of(newcomer: &Newcomer) -> Self {
        Self {
            name: newcomer.name.clone(),
            identity: newcomer.identity(),
            sealing: newcomer.sealing(),
            login: newcomer.login.clone(),
        }
    }
}

/// Of a node that made them itself.
impl From<Application> for Keys {
    fn from(application: Application) -> Self {
        let Application { name, identity, sealing, login, .. } = application;
        Self { name, identity, sealing, login }
    }
}

impl Entry {
    /// A peer: in the place of `gone`, or as the last one.
    pub(crate) fn peer(gone: Option<NodeName>) -> Self {
        Self { peer: Some(gone.map_or(Seat::Last, Seat::Of)), ..Self::default() }
    }

    /// What the node will be.
    pub(crate) fn invites_as(&self) -> InvitedAs {
        match (&self.peer, self.client) {
            (Some(_), _) => InvitedAs::Peer,
            (None, true) => InvitedAs::Client,
            (None, false) => InvitedAs::Agent,
        }
    }

    /// The change by which it joins.
    pub(crate) fn change(&self, keys: &Keys) -> Change {
        let Keys { name, identity, sealing, login } = keys;
        let (name, identity, sealing, login) = (name.clone(), *identity, *sealing, login.clone());
        let peer = || PeerTable { name: name.clone(), identity, sealing };
        match &self.peer {
            Some(Seat::Last) => return Change::AddPeer { peer: peer(), login },
            Some(Seat::Of(gone)) => return Change::ReplacePeer { gone: gone.clone(), peer: peer(), login },
            None => {}
        }
        if self.client {
            let (identity, groups) = (Some(identity), self.groups.clone());
            return Change::AddClient { client: ClientTable { name, identity, sealing, groups }, login };
        }
        let labels = self.label.iter().cloned().collect();
        let streams = self.streams.iter().cloned().map(StreamTable::Plain).collect();
        Change::AddAgent { agent: AgentTable { name, identity, sealing, labels, streams }, login }
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE, such as floor=1")?;
    Ok((key.to_owned(), value.to_owned()))
}

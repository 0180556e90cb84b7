//! The page beside the peer: what it is shown, and what its operator orders.

use std::sync::Arc;

use smc_core::audit::Kind;
use smc_core::document::Signed;
use smc_core::name::QueryName;
use smc_core::order::{self, Reason, Verb};
use smc_core::result::VERSION;
use smc_core::time::Timestamp;
use smc_mqtt::entropy;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::info;

use super::board::Board;
use super::service::Service;
use super::{PeerError, PeerOptions};
use crate::page::{Order, Site, View};

/// How many orders may wait: more than a person can click.
const ORDERS: usize = 16;

/// A page that is served, or none.
#[derive(Default)]
pub(super) struct Front {
    /// For the board, which puts them up.
    pub(super) views: Option<watch::Sender<Arc<View>>>,
    orders: Option<mpsc::Receiver<Order>>,
    /// Ends with the peer.
    _served: JoinSet<()>,
}

impl Front {
    /// Opens the page, if there is to be one, and says where.
    pub(super) async fn open(options: &PeerOptions, now: Timestamp) -> Result<Self, PeerError> {
        let Some(page) = options.page.clone() else { return Ok(Self::default()) };
        let node = &options.secrets.node;
        let first = View::empty(options.roster.site().clone(), node.clone(), now);
        let (views, seen) = watch::channel(Arc::new(first));
        let (sender, orders) = mpsc::channel(ORDERS);
        let log = options.state_dir.as_ref().map(|folder| folder.join(crate::audit::NAME));
        let site = Site::open(page, seen, sender, log, entropy::rng()?).await?;
        info!(%node, "the page of this peer: http://{}/", site.address());
        let mut served = JoinSet::new();
        served.spawn(site.serve(std::future::pending()));
        Ok(Self { views: Some(views), orders: Some(orders), _served: served })
    }

    /// The next order of the operator; never without a page.
    pub(super) async fn order(&mut self) -> Order {
        let next = match &mut self.orders {
            Some(orders) => orders.recv().await,
            None => None,
        };
        match next {
            Some(order) => order,
            None => std::future::pending().await,
        }
    }
}

impl Service {
    /// Shows on a page what happens from now on.
    pub(super) fn put_up(&mut self, views: Option<watch::Sender<Arc<View>>>) {
        self.board = views.map(|views| Board::new(views, &self.desk));
        self.show();
    }

    /// Does what the operator says on the page, and answers.
    pub(super) async fn handle_page(&mut self, order: Order) -> Result<(), PeerError> {
        let Order { verb, query, reason, answer } = order;
        self.record_order(verb, &query, &reason);
        let done = self.follow(verb, &query, &reason).map_err(|refused| refused.to_string());
        // On disk, and on the page, before its operator is told.
        self.drain().await?;
        // A browser that did not wait.
        let _ = answer.send(done);
        Ok(())
    }

    /// Logs what the operator ordered on the page, as what comes in any other way: signed with the peer's key, which the page
    /// has in its operator's stead.
    fn record_order(&mut self, verb: Verb, query: &QueryName, reason: &str) {
        let (now, site, peer) = (self.clock.now(), self.roster.site().clone(), self.name.clone());
        let Ok(subject) = query.as_str().parse() else { return };
        // No longer than a reason may be: the page saw to that.
        let reason = Reason::try_from(reason.to_owned()).unwrap_or_default();
        let order = order::Order { v: VERSION, site, peer, order: verb, subject, reason, issued: now };
        self.account.audit.record(now, Kind::Intervention, &Signed::new(order, &self.signing));
    }
}

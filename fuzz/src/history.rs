//! Whole histories of a site, with the simulator's actions as data: crashes, clocks, a hostile network, liars.

use smc_sim::Schedule;
use smc_sim::run::run as play;

/// Plays the history that the bytes choose; whatever it is, the simulator's invariants hold.
pub fn run(bytes: &[u8]) {
    let schedule = Schedule::from_bytes(bytes);
    if let Some(violation) = play(&schedule).violation {
        panic!("{violation}\n{}", serde_json::to_string(&schedule).unwrap());
    }
}

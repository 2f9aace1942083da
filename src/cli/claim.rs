//! Waiting for the claim to a project: what is put in place there belongs to one Kiln at a time.

use std::path::Path;
use std::time::{Duration, Instant};

use kiln::engine::Interrupt;
use kiln::store::{Claim, Claimant, Store};

use super::Stop;

/// How often it is asked for.
const PAUSE: Duration = Duration::from_millis(50);

/// How long one waits before saying so where it is not known for whom.
const PATIENCE: Duration = Duration::from_secs(1);

/// Takes the claim to a project as soon as nobody else has it, and says whom it waits for. `None` if the user asked to stop.
pub(crate) fn wait(
    store: &Store,
    root: &Path,
    interrupt: Option<&Interrupt>,
    say: &mut dyn FnMut(&str),
) -> Result<Option<Claim>, Stop> {
    let began = Instant::now();
    let mut told: Option<Claimant> = None;
    loop {
        let claimant = match store.try_claim(root)? {
            Ok(claim) => {
                if told.is_some() {
                    store.catch_up();
                }
                return Ok(Some(claim));
            }
            Err(claimant) => claimant,
        };
        if claimant.is_above() {
            let text = format!(
                "this Kiln was started by one that writes to the same project ({claimant}), and would wait for it for ever"
            );
            return Err(Stop::Usage(format!(
                "{text}\nhint: a stage gets what it needs from `inputs`, not from a Kiln of its own"
            )));
        }
        if told.as_ref() != Some(&claimant) && (claimant.is_known() || began.elapsed() > PATIENCE) {
            say(&format!("waiting for another Kiln that writes to this project: {claimant}"));
            told = Some(claimant);
        }
        if let Some(interrupt) = interrupt {
            interrupt.listen()?;
        }
        if interrupt.is_some_and(Interrupt::is_set) {
            return Ok(None);
        }
        std::thread::sleep(PAUSE);
    }
}

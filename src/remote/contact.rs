//! The first contact with a remote cache, made before anything else is asked; making one; trying one out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::ObjectStoreExt as _;

use super::mark::{self, Mark};
use super::problem::{Kind, Problem};
use super::{Mistake, Remote};

impl Remote {
    /// Makes sure that there is a cache, if this store has not seen one there yet. What is known is not asked for again: then a run
    /// that needs nothing asks nothing.
    ///
    /// # Errors
    /// If there is none, or access is refused. A remote that does not answer is no mistake of anybody's.
    pub fn check_first(&self) -> Result<(), Mistake> {
        if self.ledger.number().is_some() { Ok(()) } else { self.check_again() }
    }

    /// Makes sure that there is a cache, and whether it is the one that was seen before: of another nothing is known.
    ///
    /// # Errors
    /// As [`Self::check_first`].
    pub fn check_again(&self) -> Result<(), Mistake> {
        match self.contact() {
            Some(problem) if problem.kind != Kind::Silent => Err(self.mistake(problem)),
            _ => Ok(()),
        }
    }

    /// Makes sure that there is a cache.
    ///
    /// # Errors
    /// Whatever is wrong.
    pub fn check(&self) -> Result<(), Mistake> {
        self.contact().map_or(Ok(()), |problem| Err(self.mistake(problem)))
    }

    pub(super) fn mistake(&self, problem: &Problem) -> Mistake {
        let hint = problem.hint.clone().unwrap_or_else(|| {
            "look whether the server runs and can be reached from here; `--offline` runs without it".to_owned()
        });
        Mistake::new(format!("cannot use the remote cache {}: {}", self.address(), problem.text), hint)
    }

    /// The first contact, made once: whether the mark is there. What is wrong turns the remote off.
    pub(super) fn contact(&self) -> Option<&Problem> {
        let look = || {
            if let Some(problem) = self.shared.health.why() {
                return Some(problem);
            }
            let shared = Arc::clone(&self.shared);
            let found = self.wait_for(async move { shared.fetch(&*shared.clients.small, &shared.names.mark()).await });
            let problem = match found.unwrap_or_else(|| Err(Problem::silent("the server does not answer"))) {
                // A server that knows that the bucket is not there has said so.
                Err(problem) if problem.kind == Kind::Missing && problem.hint.is_none() => self.no_mark(),
                Err(problem) => problem,
                Ok((bytes, _)) => match mark::read(&bytes) {
                    Mark::Good(number) => {
                        self.ledger.seen(number);
                        return None;
                    }
                    Mark::Newer(format) => Problem {
                        kind: Kind::Refused,
                        text: format!("a later Kiln made it, in format {format}"),
                        hint: Some("use that Kiln, or another prefix".to_owned()),
                        late: false,
                    },
                    Mark::Other => Problem {
                        kind: Kind::Refused,
                        text: "its mark `kiln/format` is damaged, or no mark of Kiln's".to_owned(),
                        hint: Some(
                            "if the cache is Kiln's, `kiln remote init --force` writes the mark anew".to_owned(),
                        ),
                        late: false,
                    },
                },
            };
            Some(problem)
        };
        self.contact.get_or_init(|| look().inspect(|problem| self.shared.health.turn_off(problem.clone()))).as_ref()
    }

    fn no_mark(&self) -> Problem {
        Problem {
            kind: Kind::Missing,
            text: "there is no cache of Kiln's (no bucket, or no mark `kiln/format` in it)".to_owned(),
            hint: Some(format!(
                "look whether the URL is right; `kiln remote init {}` makes a cache there",
                self.address()
            )),
            late: false,
        }
    }

    /// Makes a cache there. `false` if there is one already.
    ///
    /// # Errors
    /// If there is something else, or nothing can be written.
    pub fn init(&self, force: bool) -> Result<bool, Mistake> {
        if let Some(problem) = self.shared.health.why() {
            return Err(self.mistake(&problem));
        }
        let shared = Arc::clone(&self.shared);
        let (text, number) = mark::new()
            .map_err(|error| Mistake::new(format!("cannot make a number for the cache: {error}"), "try again"))?;
        let made = self.wait_for(async move {
            let name = shared.names.mark();
            let found = shared.get(&name).await?;
            if let Some((bytes, _)) = &found
                && !force
            {
                return Ok(matches!(mark::read(bytes), Mark::Good(_)).then_some(false));
            }
            let put = shared.write(&*shared.clients.small, &name, text.into_bytes().into()).await;
            put.map_err(|error| shared.problem(&error))?;
            Ok(Some(true))
        });
        match made {
            Some(Ok(Some(made))) => {
                if made {
                    self.ledger.seen(number);
                }
                Ok(made)
            }
            Some(Ok(None)) => Err(Mistake::new(
                format!("{} has a `kiln/format` that is none of this Kiln's", self.address()),
                "choose another prefix, or write the mark anew with `--force`",
            )),
            Some(Err(problem)) => Err(self.mistake(&problem)),
            None => Err(self.mistake(&Problem::silent("the server does not answer"))),
        }
    }

    /// Tries whether objects can be written, read, listed and deleted there; returns what was tried and how long it took.
    ///
    /// # Errors
    /// At the first thing that cannot.
    pub fn try_out(&self) -> Result<Vec<(&'static str, Duration)>, Mistake> {
        self.check()?;
        let bytes: Vec<u8> = (0..10_000u32).flat_map(u32::to_le_bytes).collect();
        let name = self.shared.names.trial(u64::from(std::process::id()));
        let mut done = Vec::new();
        let writes = self.settings.access.writes();
        for what in ["write", "read", "list", "delete"] {
            if !writes && what != "list" {
                continue;
            }
            let (shared, name, bytes) = (Arc::clone(&self.shared), name.clone(), bytes.clone());
            let began = Instant::now();
            let ended = self.wait_for(async move {
                let store = &shared.clients.small;
                let tried: Result<bool, object_store::Error> = match what {
                    "write" => shared.write(&**store, &name, bytes.into()).await.map(|()| true),
                    "read" => match store.get(&name).await {
                        Ok(got) => got.bytes().await.map(|got| got == bytes),
                        Err(error) => Err(error),
                    },
                    "list" => {
                        use futures_util::TryStreamExt as _;
                        store
                            .list(Some(&shared.names.folder("kiln")))
                            .try_collect::<Vec<_>>()
                            .await
                            .map(|all| !all.is_empty())
                    }
                    _ => store.delete(&name).await.map(|()| true),
                };
                tried.map_err(|error| shared.problem(&error))
            });
            match ended {
                Some(Ok(true)) => done.push((what, began.elapsed())),
                Some(Ok(false)) => {
                    return Err(Mistake::new(
                        format!(
                            "{} does not {what} as it should: what was written is not what came back",
                            self.address()
                        ),
                        "a cache there would cost time and give nothing; look at the server",
                    ));
                }
                Some(Err(problem)) => {
                    let mistake = self.mistake(&problem);
                    return Err(Mistake { message: format!("{} (tried to {what})", mistake.message), ..mistake });
                }
                None => return Err(self.mistake(&Problem::silent("the server does not answer"))),
            }
        }
        Ok(done)
    }
}

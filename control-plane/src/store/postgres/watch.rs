//! [`Listening`]: how this process hears that another one published, and how it notices that it hears nothing.

use super::super::{Hint, Watch};
use super::{CHANNEL, limits};
use async_trait::async_trait;
use penstock_model::id::Version;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

pub(super) struct Listening {
    options: PgConnectOptions,
    tells: bool,
    listener: Option<PgListener>,
    /// Looks in a row that found what should have been told.
    misses: u32,
    /// When it is time to look.
    due: Instant,
    /// When it is time to try to listen.
    retry: Instant,
}

impl Listening {
    pub(super) fn new(options: PgConnectOptions, tells: bool) -> Self {
        let now = Instant::now();
        Self { options, tells, listener: None, misses: 0, due: now, retry: now }
    }

    async fn listen(&self) -> Result<PgListener, sqlx::Error> {
        // A pool for each: a listener whose connection hangs may keep its own place for long.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(Duration::from_millis(limits::LISTEN_MS_MAX))
            .connect_lazy_with(self.options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        // It would connect again where nobody bounds it.
        listener.eager_reconnect(false);
        listener.listen(CHANNEL).await?;
        Ok(listener)
    }
}

#[async_trait]
impl Watch for Listening {
    async fn next(&mut self) -> Hint {
        let poll = Duration::from_millis(limits::POLL_MS);
        if self.tells && self.listener.is_none() && self.retry <= Instant::now() {
            let listened = timeout(Duration::from_millis(limits::LISTEN_MS_MAX), self.listen()).await;
            self.listener = listened.ok().and_then(Result::ok);
            self.retry = Instant::now() + poll;
            self.misses = 0;
            if self.listener.is_some() {
                return Hint::Listening;
            }
        }
        loop {
            let heard = async {
                match &mut self.listener {
                    Some(listener) => listener.try_recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                heard = heard => match heard {
                    Ok(Some(told)) => {
                        self.misses = 0;
                        // Anybody may write into the channel.
                        if let Ok(version) = told.payload().parse() {
                            return Hint::Told(Version(version));
                        }
                    }
                    Ok(None) | Err(_) => self.listener = None,
                },
                () = sleep_until(self.due) => {
                    self.due = Instant::now() + poll;
                    return Hint::Due;
                }
            }
        }
    }

    fn missed(&mut self) {
        self.misses += 1;
        if self.misses >= limits::MISSES_MAX {
            self.listener = None;
        }
    }
}

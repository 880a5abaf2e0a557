use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use datacovey_error::Error;
use datacovey_types::Ctx;
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use metrics::counter;
use uuid::Uuid;

use super::Shared;
use crate::descriptor::Pace;
use crate::frames::{Polled, Watch, watched};
use crate::limits::TenantLimits;
use crate::reply::{is_grpc, refusal};

/// How often what is not needed any more is forgotten.
pub(crate) const FORGET_EVERY: Duration = Duration::from_secs(60);
/// When one of the calls that a tenant has may be over: nobody knows better.
const A_CALL_ENDS_WITHIN: Duration = Duration::from_secs(1);

/// How often each tenant calls and how many calls it has, so that none takes all places.
pub(crate) struct Tenants {
    calls: Option<DefaultKeyedRateLimiter<Uuid>>,
    concurrent: usize,
    /// None with zero, so that there are no more than calls.
    running: Arc<Mutex<HashMap<Key, usize>>>,
}

/// Streams that are open count apart from calls that are answered at once.
type Key = (Uuid, Pace);

/// One call of a tenant, counted until it is dropped.
struct Running {
    running: Arc<Mutex<HashMap<Key, usize>>>,
    key: Key,
}

impl Tenants {
    pub(crate) fn new(limits: TenantLimits) -> Self {
        let quota = NonZeroU32::new(limits.calls_per_second).map(|rate| {
            let burst = NonZeroU32::new(limits.burst).unwrap_or(rate);
            Quota::per_second(rate).allow_burst(burst)
        });
        Self {
            calls: quota.map(RateLimiter::keyed),
            concurrent: limits.concurrent_calls,
            running: Arc::default(),
        }
    }

    /// Forgets the tenants that may call as often as those that never did.
    pub(crate) fn forget(&self) {
        if let Some(calls) = &self.calls {
            calls.retain_recent();
            calls.shrink_to_fit();
        }
    }

    /// Counts a call, or says when to come back, and the word for what there was too much of.
    fn admit(&self, tenant_id: Uuid, pace: Pace) -> Result<Option<Running>, (Error, &'static str)> {
        if let Some(calls) = &self.calls {
            calls.check_key(&tenant_id).map_err(|too_soon| {
                let wait = too_soon.wait_time_from(DefaultClock::default().now());
                let message = "the tenant calls more often than it may; retry after the given time";
                (Error::rate_limited("tenant", message, wait), "tenant_rate")
            })?;
        }
        if self.concurrent == 0 {
            return Ok(None);
        }
        let key = (tenant_id, pace);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.entry(key).or_insert(0);
        if *count >= self.concurrent {
            let message = match pace {
                Pace::Prompt => "the tenant has as many calls at once as it may; retry when one has ended",
                Pace::Lasting => "the tenant has as many streams open as it may; retry when one has ended",
            };
            let error = Error::rate_limited("tenant", message, A_CALL_ENDS_WITHIN);
            return Err((error, "tenant_concurrency"));
        }
        *count += 1;
        Ok(Some(Running {
            running: Arc::clone(&self.running),
            key,
        }))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = running.entry(self.key) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// Holds the tenant's count as long as the reply is there, which the deadline gives up in time.
struct Counted {
    _running: Running,
}

impl Watch for Counted {
    fn poll(
        &mut self,
        body: std::pin::Pin<&mut axum::body::Body>,
        cx: &mut std::task::Context<'_>,
    ) -> Polled {
        http_body::Body::poll_frame(body, cx)
    }
}

/// Lets a tenant call as often, and have as many calls, as it may. Stands behind the
/// authentication, which says whose the call is.
pub(super) async fn layer(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let (Some(tenants), Some(ctx)) = (&shared.tenants, request.extensions().get::<Ctx>()) else {
        return next.run(request).await;
    };
    let pace = Pace::of_path(request.uri().path());
    match tenants.admit(ctx.tenant_id(), pace) {
        Err((error, reason)) => {
            limited(shared.service, reason);
            refusal(is_grpc(&request), error)
        }
        Ok(None) => next.run(request).await,
        Ok(Some(running)) => {
            let response = next.run(request).await;
            watched(response, Counted { _running: running })
        }
    }
}

/// Counts a call that was let in no further; which tenant's it was is in the access log.
pub(super) fn limited(service: &'static str, reason: &'static str) {
    counter!("datacovey_calls_limited_total", "service" => service, "reason" => reason).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    fn reason(tenants: &Tenants, tenant_id: Uuid, pace: Pace) -> &'static str {
        tenants
            .admit(tenant_id, pace)
            .err()
            .map_or("", |(_, reason)| reason)
    }

    #[test]
    fn a_tenant_calls_as_often_as_it_may_and_takes_nothing_of_another() {
        let tenants = Tenants::new(TenantLimits {
            // The next one comes in seconds, which this test does not take.
            calls_per_second: 1,
            burst: 3,
            concurrent_calls: 0,
        });
        for _ in 0..3 {
            assert_eq!(reason(&tenants, ONE, Pace::Prompt), "");
        }
        let (error, reason_of_one) = tenants.admit(ONE, Pace::Lasting).err().unwrap();
        assert_eq!(
            (error.reason_name(), reason_of_one),
            ("RATE_LIMITED", "tenant_rate")
        );
        let wait = error.retry_delay().unwrap();
        assert!(
            wait > Duration::ZERO && wait <= Duration::from_secs(1),
            "{wait:?}"
        );
        assert_eq!(reason(&tenants, OTHER, Pace::Prompt), "");
    }

    #[test]
    fn a_tenant_has_as_many_calls_as_it_may() {
        let tenants = Tenants::new(TenantLimits {
            concurrent_calls: 2,
            ..TenantLimits::default()
        });
        let admit = |tenant_id, pace| tenants.admit(tenant_id, pace).ok();
        let (first, _second) = (admit(ONE, Pace::Prompt), admit(ONE, Pace::Prompt));
        assert_eq!(reason(&tenants, ONE, Pace::Prompt), "tenant_concurrency");
        assert_eq!(reason(&tenants, ONE, Pace::Lasting), "");
        assert_eq!(reason(&tenants, OTHER, Pace::Prompt), "");
        drop(first);
        assert_eq!(reason(&tenants, ONE, Pace::Prompt), "");
    }

    #[test]
    fn what_is_over_is_forgotten() {
        let tenants = Tenants::new(TenantLimits {
            calls_per_second: 1_000_000,
            burst: 1,
            concurrent_calls: 1,
        });
        for tenant in 0..1000 {
            assert!(tenants.admit(Uuid::from_u128(tenant), Pace::Prompt).is_ok());
        }
        assert!(tenants.running.lock().unwrap().is_empty());
        let calls = tenants.calls.as_ref().unwrap();
        // A microsecond each; the clock need not have moved on the first look.
        while !calls.is_empty() {
            tenants.forget();
        }
    }

    #[test]
    fn without_limits_everything_is_let_in() {
        let tenants = Tenants::new(TenantLimits::default());
        for _ in 0..10_000 {
            assert!(tenants.admit(ONE, Pace::Prompt).is_ok());
        }
    }
}

//! [`Met`]: the route of one request, held without waiting for other cores.
//!
//! Who holds a route or sends a value of its configuration counts that where the route or the value is, and what every core counts on
//! goes to and fro between them. So a worker has a handle of its own on each of the routes that it meets often: one count in the
//! shared memory for all of their requests, and its own copies of the values that each of them sends.

use http::HeaderValue;
use penstock_model::exchange::FixedHeaders;
use penstock_model::id::Version;
use penstock_model::table::{HttpPlan, Plan, Route};
use std::cell::RefCell;
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

/// Routes that a worker holds at a time; others take their place. A power of two.
const SLOTS: usize = 256;

/// The route that a request has met.
pub(crate) enum Met {
    /// Held by this request.
    Once(Arc<Route>),
    /// Held by the worker.
    Often(Rc<Own>),
}

/// A route that a worker holds, and what it sends for each request.
pub(crate) struct Own {
    route: Arc<Route>,
    /// Of routes that lead to an upstream.
    sent: Option<Sent>,
}

struct Sent {
    host: HeaderValue,
    api_id: HeaderValue,
}

/// The routes that a worker meets often.
pub(crate) struct WorkerRoutes(RefCell<Routes>);

struct Routes {
    /// What they are routes of: those of another version leave.
    version: Version,
    slots: Box<[Slot]>,
}

#[derive(Clone, Default)]
struct Slot {
    held: Option<Rc<Own>>,
    /// Where the route lies that came here last and is not the one that is held. Who comes twice in a row is.
    came: usize,
}

impl WorkerRoutes {
    pub(crate) fn new() -> Self {
        Self(RefCell::new(Routes { version: Version(0), slots: vec![Slot::default(); SLOTS].into() }))
    }

    /// A handle on a route of that version.
    pub(crate) fn met(&self, version: Version, route: &Arc<Route>) -> Met {
        let routes = &mut *self.0.borrow_mut();
        if routes.version != version {
            routes.version = version;
            routes.slots.fill(Slot::default());
        }
        let at = Arc::as_ptr(route) as usize;
        let slot = &mut routes.slots[place(at)];
        match &slot.held {
            Some(held) if Arc::ptr_eq(&held.route, route) => {
                slot.came = 0;
                Met::Often(Rc::clone(held))
            }
            _ if slot.came != at => {
                slot.came = at;
                Met::Once(Arc::clone(route))
            }
            _ => {
                let held = Rc::new(Own::new(route));
                *slot = Slot { held: Some(Rc::clone(&held)), came: 0 };
                Met::Often(held)
            }
        }
    }
}

/// Where a route is held that lies there. Routes lie at even distances, which one product alone does not scatter well.
fn place(at: usize) -> usize {
    let once = (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (once ^ once >> 32).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    // The product's upper bits are the good ones.
    (mixed >> (u64::BITS - SLOTS.trailing_zeros())) as usize
}

impl Own {
    fn new(route: &Arc<Route>) -> Self {
        let sent = match &route.plan {
            Plan::Http(plan) => Sent::of(route, plan),
            Plan::Function(_) | Plan::Mock(_) | Plan::Fail(_) => None,
        };
        Self { route: Arc::clone(route), sent }
    }
}

impl Sent {
    fn of(route: &Route, plan: &HttpPlan) -> Option<Self> {
        // They were values before, so they are again.
        let own = |value: &HeaderValue| HeaderValue::from_bytes(value.as_bytes()).ok();
        Some(Self { host: own(&plan.upstream.host)?, api_id: own(&route.stage.api_id)? })
    }
}

impl Met {
    /// The values that each request to its upstream has.
    pub(crate) fn fixed<'a>(&'a self, plan: &'a HttpPlan, forwarded_port: &'a HeaderValue) -> FixedHeaders<'a> {
        let own = match self {
            Self::Often(held) => held.sent.as_ref(),
            Self::Once(_) => None,
        };
        match own {
            Some(Sent { host, api_id }) => FixedHeaders { host, api_id, forwarded_port },
            None => FixedHeaders::of(self, plan, forwarded_port),
        }
    }
}

impl Deref for Met {
    type Target = Route;

    fn deref(&self) -> &Route {
        match self {
            Self::Once(route) => route,
            Self::Often(held) => &held.route,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use penstock_model::bundle::Bundle;
    use penstock_model::definition::ApiDefinition;
    use penstock_model::deployment::Stage;
    use penstock_model::integration::{Integration, IntegrationType};
    use penstock_model::method::{Method, Verb};
    use penstock_model::resource::Resource;
    use penstock_model::table::StageTable;
    use std::collections::HashSet;

    fn routes(count: usize) -> Vec<Arc<Route>> {
        let mut definition = ApiDefinition::default();
        definition.rest_api.id = "api".into();
        for number in 0..count {
            let id = format!("r{number}");
            definition.resources.push(Resource {
                id: id.as_str().into(),
                path: format!("/{id}"),
                ..Resource::default()
            });
            let mut method = Method::new("api".into(), id.as_str().into(), Verb::Get);
            method.integration = Some(Integration::new(IntegrationType::HttpProxy, Some(Verb::Get), "http://up.test/"));
            definition.methods.push(method);
        }
        let bundle = Bundle::new(definition, Stage { stage_name: "prod".into(), ..Stage::default() });
        StageTable::compile(&bundle).expect("it compiles").routes().to_vec()
    }

    fn is_held(met: &Met) -> bool {
        matches!(met, Met::Often(_))
    }

    #[test]
    fn who_comes_twice_in_a_row_is_held_once_for_all_of_its_requests() {
        let (worker, routes) = (WorkerRoutes::new(), routes(1));
        let counted = || Arc::strong_count(&routes[0]);
        let before = counted();
        let once = worker.met(Version(1), &routes[0]);
        assert!(!is_held(&once) && counted() == before + 1);
        let many: Vec<Met> = (0..10).map(|_| worker.met(Version(1), &routes[0])).collect();
        assert!(many.iter().all(is_held) && counted() == before + 2);
        assert_eq!(&*many[0].resource.path, "/r0");
        let Plan::Http(plan) = &many[0].plan else { panic!("it leads to an upstream") };
        let port = HeaderValue::from(80);
        let fixed = many[0].fixed(plan, &port);
        assert_eq!(
            (fixed.host, fixed.api_id, fixed.forwarded_port),
            (&plan.upstream.host, &routes[0].stage.api_id, &port)
        );
        assert!(
            !std::ptr::eq(fixed.host.as_bytes(), plan.upstream.host.as_bytes()),
            "it is a copy of the worker's own"
        );
        drop((once, many));
        assert_eq!(counted(), before + 1, "the worker's own");
    }

    #[test]
    fn with_another_version_all_are_let_go() {
        let (worker, routes) = (WorkerRoutes::new(), routes(40));
        for route in routes.iter().chain(&routes) {
            worker.met(Version(1), route);
        }
        for route in &routes {
            let _ = (worker.met(Version(1), route), worker.met(Version(1), route));
        }
        let held = routes.iter().filter(|route| Arc::strong_count(route) > 1).count();
        assert_eq!(held, routes.iter().map(place_of).collect::<HashSet<_>>().len(), "one in each place");
        let under_way = worker.met(Version(1), &routes[0]);
        worker.met(Version(2), &routes[1]);
        let counts: Vec<usize> = routes.iter().map(|route| Arc::strong_count(route) - 1).collect();
        assert_eq!(counts, [vec![1], vec![0; 39]].concat(), "but for what is under way");
        assert_eq!(&*under_way.resource.path, "/r0");
    }

    #[test]
    fn places_differ_however_far_routes_lie_apart() {
        for distance in (16..8_192).step_by(16) {
            let places: HashSet<usize> = (0..40).map(|number| place(0x7f00_0000_1000 + number * distance)).collect();
            assert!(places.len() > 24, "{} places {distance} bytes apart", places.len());
        }
    }

    #[test]
    fn who_is_met_now_and_then_drives_nobody_out() {
        let (worker, routes) = (WorkerRoutes::new(), routes(5_000));
        let often = &routes[0];
        let rival = routes[1..].iter().find(|route| place_of(route) == place_of(often)).expect("one is");
        worker.met(Version(1), often);
        for _ in 0..10 {
            assert!(is_held(&worker.met(Version(1), often)));
            assert!(!is_held(&worker.met(Version(1), rival)));
        }
        assert!(is_held(&worker.met(Version(1), rival)) || is_held(&worker.met(Version(1), rival)));
    }

    fn place_of(route: &Arc<Route>) -> usize {
        place(Arc::as_ptr(route) as usize)
    }
}

//! Which nodes serve a deployment first.

use super::Share;
use penstock_model::id::NodeId;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// As many of `able` as the share says, drawn by `seed`: not the same ones each time, and at least one is left.
///
/// # Errors
/// There are too few, in words.
pub(super) fn nodes(able: Vec<NodeId>, share: Share, seed: &str) -> Result<BTreeSet<NodeId>, String> {
    let all = able.len();
    if all < 2 {
        let which = "that are connected and can tell what becomes of requests";
        return Err(format!(
            "a node canary needs two nodes {which}, there are {all}: one to try it on, one to compare"
        ));
    }
    let wanted = match share {
        Share::Count(count) => count,
        // At most as many as there are.
        Share::Percent(percent) => (all as f64 * percent / 100.0).ceil() as usize,
    };
    if wanted >= all {
        return Err(format!("{wanted} of {all} nodes leave none that the others could be compared with"));
    }
    let mut drawn: Vec<_> = able.into_iter().map(|id| (Sha256::digest(format!("{seed}/{id}")), id)).collect();
    drawn.sort();
    Ok(drawn.into_iter().take(wanted.max(1)).map(|(_, id)| id).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn able(count: usize) -> Vec<NodeId> {
        (0..count).map(|number| format!("n{number}").into()).collect()
    }

    #[test]
    fn a_share_is_rounded_up_and_leaves_somebody() {
        for (all, share, expected) in [
            (2, Share::Count(1), Some(1)),
            (10, Share::Count(9), Some(9)),
            (10, Share::Count(10), None),
            (10, Share::Count(usize::MAX), None),
            (10, Share::Percent(0.1), Some(1)),
            (10, Share::Percent(10.0), Some(1)),
            (10, Share::Percent(11.0), Some(2)),
            (10, Share::Percent(90.0), Some(9)),
            (10, Share::Percent(91.0), None),
            (1, Share::Count(1), None),
            (0, Share::Percent(50.0), None),
        ] {
            let found = nodes(able(all), share, "seed");
            assert_eq!(found.as_ref().ok().map(BTreeSet::len), expected, "{share:?} of {all}: {found:?}");
        }
    }

    #[test]
    fn everybody_has_a_turn() {
        let drawn: BTreeSet<NodeId> =
            (0..200).flat_map(|seed| nodes(able(5), Share::Count(1), &seed.to_string()).unwrap()).collect();
        assert_eq!(drawn.len(), 5);
        let draw = || nodes(able(5), Share::Count(2), "seed");
        assert_eq!(draw(), draw());
    }
}

//! How much a test moves: small in the everyday run, all of it when `PENSTOCK_TEST_FULL=1` is set.

/// Whether the full sizes were asked for.
pub fn full() -> bool {
    std::env::var_os("PENSTOCK_TEST_FULL").is_some_and(|value| value == "1")
}

/// The everyday or the full size.
pub fn sized<T>(everyday: T, all: T) -> T {
    if full() { all } else { everyday }
}

/// Whether this runs where nothing may be skipped.
pub fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true" || value == "1")
}

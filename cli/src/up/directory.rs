//! Where `penstock up` keeps what was registered.

use std::env;
use std::ffi::OsString;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::exit::Failure;

/// The directory that the user named or, as for other programs that keep data of a user, one below the home directory:
/// it does not depend on where the command is typed, so the next start finds it. Made if it is missing.
///
/// # Errors
/// [`Failure::Usage`] when there is no home, or no directory can be made there.
pub(crate) fn prepare(named: Option<PathBuf>) -> Result<PathBuf, Failure> {
    let path = named.or_else(|| default(env::var_os("XDG_DATA_HOME"), env::var_os("HOME")));
    let path =
        path.ok_or_else(|| Failure::Usage("there is no home directory: say where with --data-dir DIR".into()))?;
    let unusable = |error| Failure::Usage(format!("the data directory {} cannot be made: {error}", path.display()));
    // Whoever reads the database knows every upstream, and perhaps credentials.
    DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(unusable)?;
    std::path::absolute(&path).map_err(unusable)
}

fn default(data_home: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    // The XDG specification says that a relative path is to be ignored.
    let absolute = |value: Option<OsString>| value.map(PathBuf::from).filter(|path| Path::is_absolute(path));
    let data_home = absolute(data_home).or_else(|| absolute(home).map(|home| home.join(".local/share")));
    data_home.map(|path| path.join("penstock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_of_a_user_is_where_the_user_keeps_data() {
        let chosen = |data_home: &str, home: &str| default(Some(data_home.into()), Some(home.into()));
        assert_eq!(chosen("/d", "/h"), Some("/d/penstock".into()));
        assert_eq!(chosen("", "/h"), Some("/h/.local/share/penstock".into()));
        assert_eq!(chosen("relative", "/h"), Some("/h/.local/share/penstock".into()));
        assert_eq!(default(None, None), None);
    }

    #[test]
    fn a_file_in_the_way_is_a_usage_error() {
        let failure = prepare(Some(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml/data").into())).unwrap_err();
        assert_eq!(failure.code(), 2);
    }
}

//! `penstock api update`, and the settings that it shares with `create`.

use clap::{Args, ValueEnum};
use penstock_proto::management::v1 as pb;
use penstock_proto::management::v1::rest_api;

use super::api_content::ContentSettings;
use super::{Context, map, mask};
use crate::args::{ApiArg, key_value};
use crate::exit::{Doing, Failure};

/// How exactly conversions follow AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fidelity {
    /// As AWS, except where AWS would damage bytes
    Transparent,
    /// As AWS, byte for byte, the damage included
    Aws,
}

impl From<Fidelity> for rest_api::Fidelity {
    fn from(fidelity: Fidelity) -> Self {
        match fidelity {
            Fidelity::Transparent => Self::Transparent,
            Fidelity::Aws => Self::Aws,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum KeySource {
    /// The header x-api-key
    Header,
    /// An authorizer's answer
    Authorizer,
}

/// From which size answers are compressed, if at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CompressFrom(Option<i32>);

fn compress_from(text: &str) -> Result<CompressFrom, String> {
    if text == "never" {
        return Ok(CompressFrom(None));
    }
    text.parse().map(|bytes| CompressFrom(Some(bytes))).map_err(|_| "expected a number of bytes, or never".into())
}

/// What can be set on an API besides its name.
#[derive(Debug, Args)]
pub(crate) struct ApiSettings {
    /// What the API is for
    #[arg(long)]
    description: Option<String>,
    /// The author's own label, for example 2024-06
    #[arg(long, value_name = "LABEL")]
    api_version: Option<String>,
    /// Media type whose payloads are bytes: type/subtype, type/* or */*; repeat for more. Replaces the whole list
    #[arg(long = "binary-media-type", value_name = "TYPE")]
    binary_media_types: Option<Vec<String>>,
    /// How exactly conversions follow AWS
    #[arg(long, value_enum)]
    fidelity: Option<Fidelity>,
    /// Compress answers from this many bytes on, or never
    #[arg(long, value_name = "BYTES|never", value_parser = compress_from)]
    minimum_compression_size: Option<CompressFrom>,
    #[command(flatten)]
    content: ContentSettings,
    /// Where the API key of a request is
    #[arg(long, value_enum)]
    api_key_source: Option<KeySource>,
    /// Serve the API through base path mappings only
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true")]
    disable_execute_api_endpoint: Option<bool>,
    /// Tag; repeat for more
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = key_value)]
    tags: Vec<(String, String)>,
}

/// Puts into `api` what the user said, and names the fields that were set.
pub(crate) fn apply(settings: ApiSettings, api: &mut pb::RestApi) -> Vec<&'static str> {
    let mut paths = Vec::new();
    if let Some(description) = settings.description {
        api.description = description;
        paths.push("description");
    }
    if let Some(version) = settings.api_version {
        api.version = version;
        paths.push("version");
    }
    if let Some(types) = settings.binary_media_types {
        api.binary_media_types = types;
        paths.push("binary_media_types");
    }
    if let Some(fidelity) = settings.fidelity {
        api.set_fidelity(fidelity.into());
        paths.push("fidelity");
    }
    if let Some(CompressFrom(bytes)) = settings.minimum_compression_size {
        api.minimum_compression_size = bytes;
        paths.push("minimum_compression_size");
    }
    paths.extend(settings.content.apply(api));
    if let Some(source) = settings.api_key_source {
        api.set_api_key_source(match source {
            KeySource::Header => rest_api::ApiKeySource::Header,
            KeySource::Authorizer => rest_api::ApiKeySource::Authorizer,
        });
        paths.push("api_key_source");
    }
    if let Some(disable) = settings.disable_execute_api_endpoint {
        api.disable_execute_api_endpoint = disable;
        paths.push("disable_execute_api_endpoint");
    }
    if !settings.tags.is_empty() {
        api.tags.extend(map(settings.tags));
        paths.push("tags");
    }
    paths
}

/// Change the settings of an API; what is not named stays
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  penstock api update image-api --description 'Pictures, smaller'
  penstock api update image-api --add-binary-media-type image/webp
  penstock api update image-api --fidelity aws --revision 4

Changes take effect with the next deployment; stages with auto-deploy make one
at once.")]
pub(crate) struct Update {
    #[command(flatten)]
    api: ApiArg,
    /// New name
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    settings: ApiSettings,
    /// Media type to add to those whose payloads are bytes; repeat for more
    #[arg(long, value_name = "TYPE", conflicts_with = "binary_media_types")]
    add_binary_media_type: Vec<String>,
    /// Media type to take from them; repeat for more
    #[arg(long, value_name = "TYPE", conflicts_with = "binary_media_types")]
    remove_binary_media_type: Vec<String>,
    /// Tag to take away; repeat for more
    #[arg(long, value_name = "KEY")]
    remove_tag: Vec<String>,
    /// Only if the API still has this revision
    #[arg(long)]
    revision: Option<i64>,
}

impl Update {
    /// # Errors
    /// [`Failure::Usage`] when nothing is to be changed, and whatever the control plane refuses.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let control_plane = context.connect().await?;
        let mut api = control_plane.api(&self.api.api).await?;
        let paths = self.change(&mut api);
        if paths.is_empty() {
            return Err(Failure::Usage("nothing to change: name at least one setting".into()));
        }
        let request = pb::UpdateRestApiRequest { rest_api: Some(api), update_mask: mask(paths) };
        let api = control_plane.rest_apis().update_rest_api(request).await.doing("updating the API")?;
        context.output.done(&api, || format!("Updated {} ({}) to revision {}.", api.name, api.id, api.revision))
    }

    /// Changes `api`, which is as the control plane has it: lists and maps are edited, and the revision that was read
    /// protects an edit against others.
    fn change(self, api: &mut pb::RestApi) -> Vec<&'static str> {
        let edits_a_collection = !self.settings.tags.is_empty()
            || !self.remove_tag.is_empty()
            || !self.add_binary_media_type.is_empty()
            || !self.remove_binary_media_type.is_empty();
        let mut paths = apply(self.settings, api);
        if let Some(name) = self.name {
            api.name = name;
            paths.push("name");
        }
        if !self.add_binary_media_type.is_empty() || !self.remove_binary_media_type.is_empty() {
            api.binary_media_types.retain(|kind| !self.remove_binary_media_type.contains(kind));
            for kind in self.add_binary_media_type {
                if !api.binary_media_types.contains(&kind) {
                    api.binary_media_types.push(kind);
                }
            }
            paths.push("binary_media_types");
        }
        if !self.remove_tag.is_empty() {
            api.tags.retain(|key, _| !self.remove_tag.contains(key));
            if !paths.contains(&"tags") {
                paths.push("tags");
            }
        }
        api.revision = match (self.revision, edits_a_collection) {
            (Some(revision), _) => revision,
            (None, true) => api.revision,
            (None, false) => 0,
        };
        paths
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        update: Update,
    }

    fn change(line: &str, api: &mut pb::RestApi) -> Vec<&'static str> {
        Program::try_parse_from(format!("update image-api {line}").trim().split(' ')).unwrap().update.change(api)
    }

    fn stored() -> pb::RestApi {
        pb::RestApi {
            name: "image-api".into(),
            binary_media_types: vec!["image/jpeg".into(), "image/png".into()],
            minimum_compression_size: Some(10),
            tags: [("team".into(), "a".into())].into(),
            revision: 7,
            ..Default::default()
        }
    }

    #[test]
    fn only_what_is_named_is_in_the_mask() {
        let mut api = stored();
        assert_eq!(change("--description x --fidelity aws", &mut api), ["description", "fidelity"]);
        assert_eq!((api.description.as_str(), api.fidelity()), ("x", rest_api::Fidelity::Aws));
        assert_eq!(api.revision, 0, "a plain value does not depend on what was read");
    }

    #[test]
    fn nothing_named_is_an_empty_mask() {
        assert!(change("", &mut stored()).is_empty());
    }

    #[test]
    fn lists_are_edited_under_the_revision_that_was_read() {
        let mut api = stored();
        let line = "--add-binary-media-type image/webp --add-binary-media-type image/png \
                    --remove-binary-media-type image/jpeg";
        assert_eq!(change(line, &mut api), ["binary_media_types"]);
        assert_eq!(api.binary_media_types, ["image/png", "image/webp"]);
        assert_eq!(api.revision, 7);
    }

    #[test]
    fn tags_are_merged_and_removed() {
        let mut api = stored();
        assert_eq!(change("--tag cost=b --remove-tag team --revision 5", &mut api), ["tags"]);
        assert_eq!(api.tags, [("cost".into(), "b".into())].into());
        assert_eq!(api.revision, 5);
    }

    #[test]
    fn compression_can_be_switched_off() {
        let mut api = stored();
        assert_eq!(change("--minimum-compression-size never", &mut api), ["minimum_compression_size"]);
        assert_eq!(api.minimum_compression_size, None);
    }

    #[test]
    fn a_switch_without_a_value_is_on() {
        let mut api = stored();
        change("--disable-execute-api-endpoint", &mut api);
        assert!(api.disable_execute_api_endpoint);
        change("--disable-execute-api-endpoint false", &mut api);
        assert!(!api.disable_execute_api_endpoint);
    }
}

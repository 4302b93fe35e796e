//! Rules for a [`Stage`]: its name, variables, canary and method settings.

use super::{check_chars, check_count, check_tags};
use crate::deployment::{CanarySettings, MethodSetting, Stage};
use crate::limits::{
    CACHE_TTL_S_MAX, DESCRIPTION_CHARS_MAX, METHOD_SETTINGS_MAX, PATH_DEPTH_MAX, STAGE_NAME_CHARS_MAX,
    STAGE_VARIABLE_NAME_CHARS_MAX, STAGE_VARIABLE_VALUE_CHARS_MAX, STAGE_VARIABLES_MAX,
};
use crate::method::Verb;
use crate::resource::PathPart;
use crate::violation::Violations;
use std::collections::BTreeMap;

/// The key of the settings of all methods (section h.1).
const EVERY_METHOD: &str = "*/*";
const LOGGING_LEVELS: [&str; 3] = ["OFF", "ERROR", "INFO"];
const CACHE_CONTROL_STRATEGIES: [&str; 3] =
    ["FAIL_WITH_403", "SUCCEED_WITH_RESPONSE_HEADER", "SUCCEED_WITHOUT_RESPONSE_HEADER"];

/// Checks a stage (sections h.1 and h.2).
pub fn stage(stage: &Stage) -> Violations {
    let mut found = Violations::new();
    check_stage_name(&mut found, "stageName", stage.stage_name.as_str());
    check_chars(&mut found, "description", &stage.description, DESCRIPTION_CHARS_MAX);
    check_variables(&mut found, "variables", &stage.variables);
    check_tags(&mut found, &stage.tags);
    if let Some(canary) = &stage.canary_settings {
        found.add_below("canarySettings", canary_settings(canary));
        if stage.auto_deploy {
            // Each change would make the canary older than what it is compared with, and promoting it a step back.
            let text = "a stage that deploys by itself cannot have a canary: set autoDeploy to false";
            found.add("canarySettings", text);
        }
    }
    check_count(&mut found, "methodSettings", stage.method_settings.len(), METHOD_SETTINGS_MAX);
    for (key, setting) in stage.method_settings.iter().take(METHOD_SETTINGS_MAX) {
        let field = format!("methodSettings[{key}]");
        if !selects_methods(key) {
            let text = format!("the key must be {{resource path}}/{{METHOD}}, such as /images/GET, or {EVERY_METHOD}");
            found.add(field.clone(), text);
        }
        found.add_below(&field, method_setting(setting));
    }
    found
}

fn canary_settings(canary: &CanarySettings) -> Violations {
    let mut found = Violations::new();
    if !(0.0..=100.0).contains(&canary.percent_traffic.get()) {
        found.add("percentTraffic", "must be between 0.0 and 100.0");
    }
    check_variables(&mut found, "stageVariableOverrides", &canary.stage_variable_overrides);
    found
}

fn method_setting(setting: &MethodSetting) -> Violations {
    let mut found = Violations::new();
    check_word(&mut found, "loggingLevel", &setting.logging_level, &LOGGING_LEVELS);
    if setting.throttling_burst_limit < 0 {
        found.add("throttlingBurstLimit", "must be 0 or more requests");
    }
    if setting.throttling_rate_limit.get() < 0.0 {
        found.add("throttlingRateLimit", "must be 0 or more requests per second");
    }
    if !(0..=CACHE_TTL_S_MAX).contains(&setting.cache_ttl_in_seconds) {
        found.add("cacheTtlInSeconds", format!("must be 0 to {CACHE_TTL_S_MAX} seconds"));
    }
    let strategy = &setting.unauthorized_cache_control_header_strategy;
    check_word(&mut found, "unauthorizedCacheControlHeaderStrategy", strategy, &CACHE_CONTROL_STRATEGIES);
    found
}

fn check_word(found: &mut Violations, field: &str, word: &str, words: &[&str]) {
    if !words.contains(&word) {
        found.add(field, format!("{word:?} must be one of {}", words.join(", ")));
    }
}

/// Whether a key is `{resource path}/{METHOD}`, so `//GET` for the root, or stands for all.
fn selects_methods(key: &str) -> bool {
    let Some((path, verb)) = key.rsplit_once('/') else { return false };
    let Some(parts) = path.strip_prefix('/') else { return key == EVERY_METHOD };
    let is_path =
        || parts.split('/').count() <= PATH_DEPTH_MAX && parts.split('/').all(|part| PathPart::parse(part).is_ok());
    Verb::parse(verb).is_ok() && (parts.is_empty() || is_path())
}

fn check_variables(found: &mut Violations, field: &str, variables: &BTreeMap<String, String>) {
    check_count(found, field, variables.len(), STAGE_VARIABLES_MAX);
    for (name, value) in variables.iter().take(STAGE_VARIABLES_MAX) {
        let place = || format!("{field}[{name}]");
        let named = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if name.is_empty() || !named || name.len() > STAGE_VARIABLE_NAME_CHARS_MAX {
            let text = format!("a name must be 1 to {STAGE_VARIABLE_NAME_CHARS_MAX} letters, digits or '_'");
            found.add(place(), text);
        }
        let spelled = value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:/?#&=,".contains(&b));
        if value.is_empty() || !spelled || value.len() > STAGE_VARIABLE_VALUE_CHARS_MAX {
            let text = format!("a value must be 1 to {STAGE_VARIABLE_VALUE_CHARS_MAX} letters, digits or -._~:/?#&=,");
            found.add(place(), text);
        }
    }
}

/// A stage's name, also where another object names it.
pub(super) fn check_stage_name(found: &mut Violations, field: &str, name: &str) {
    let spelled = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if name.is_empty() || !spelled || name.len() > STAGE_NAME_CHARS_MAX {
        found.add(field, format!("must be 1 to {STAGE_NAME_CHARS_MAX} letters, digits, '_' or '-'"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Number;

    fn number(value: f64) -> Number {
        Number::new(value).expect("it is finite")
    }

    fn fields(stage: &Stage) -> Vec<String> {
        super::stage(stage).into_iter().map(|violation| violation.field).collect()
    }

    /// The name, the name of a variable and its value; and how the three may be wrong.
    const WRONG: [(&str, &str, &str); 6] =
        [("", "a", "b"), ("a b", "a", "b"), ("s", "", "b"), ("s", "a-b", "b"), ("s", "a", ""), ("s", "a", "b c")];

    #[test]
    fn stages_have_plain_names_and_plain_variables() {
        let with = |name: &str, variable: &str, value: &str| Stage {
            stage_name: name.into(),
            variables: [(variable.to_owned(), value.to_owned())].into(),
            ..Stage::default()
        };
        assert_eq!(fields(&with("prod-1_x", "up_stream", "host:8080/a?b=c")), Vec::<String>::new());
        let (name, variable) = ("a".repeat(STAGE_NAME_CHARS_MAX), "a".repeat(STAGE_VARIABLE_NAME_CHARS_MAX));
        let value = "b".repeat(STAGE_VARIABLE_VALUE_CHARS_MAX);
        assert_eq!(fields(&with(&name, &variable, &value)), Vec::<String>::new());
        let (name, variable, value) = (name + "a", variable + "a", value + "b");
        for (name, variable, value) in
            WRONG.into_iter().chain([(&*name, "a", "b"), ("s", &*variable, "b"), ("s", "a", &*value)])
        {
            assert_eq!(fields(&with(name, variable, value)).len(), 1, "{name} {variable} {value}");
        }
        let mut many = with("s", "v0", "x");
        many.variables = (0..=STAGE_VARIABLES_MAX).map(|at| (format!("v{at}"), "x".to_owned())).collect();
        assert_eq!(fields(&many), ["variables"]);
    }

    fn with_canary(percent: f64, variable: &str, value: &str) -> Stage {
        let canary = CanarySettings {
            percent_traffic: number(percent),
            stage_variable_overrides: [(variable.to_owned(), value.to_owned())].into(),
            ..CanarySettings::default()
        };
        Stage { stage_name: "s".into(), canary_settings: Some(canary), ..Stage::default() }
    }

    #[test]
    fn a_canary_gets_a_share_and_plain_variables() {
        for percent in [0.0, 0.001, 12.5, 100.0] {
            assert_eq!(fields(&with_canary(percent, "a", "b")), Vec::<String>::new(), "{percent}");
        }
        for percent in [-0.001, 100.001, 1e300, -1e300] {
            assert_eq!(fields(&with_canary(percent, "a", "b")), ["canarySettings.percentTraffic"], "{percent}");
        }
        let overrides = fields(&with_canary(1.0, "a-b", "b c"));
        assert_eq!(overrides, ["canarySettings.stageVariableOverrides[a-b]"; 2]);
    }

    #[test]
    fn a_stage_that_deploys_by_itself_has_no_canary() {
        let stage = Stage { auto_deploy: true, ..with_canary(1.0, "a", "b") };
        assert_eq!(fields(&stage), ["canarySettings"]);
    }

    #[test]
    fn method_settings_are_of_a_method_or_of_all() {
        for key in ["*/*", "//GET", "/images/ANY", "/images/{id}/DELETE", "/{proxy+}/POST"] {
            assert!(selects_methods(key), "{key}");
        }
        let deep = format!("{}/GET", "/a".repeat(PATH_DEPTH_MAX + 1));
        for key in
            ["", "*", "/", "/*", "*/GET", "/images/*", "GET", "/GET", "images/GET", "/images/get", "/a//GET", &deep]
        {
            assert!(!selects_methods(key), "{key}");
        }
        assert!(selects_methods(&deep[2..]));
        let setting = MethodSetting::default();
        let of = |keys: &mut dyn Iterator<Item = String>| Stage {
            stage_name: "s".into(),
            method_settings: keys.map(|key| (key, setting.clone())).collect(),
            ..Stage::default()
        };
        assert_eq!(fields(&of(&mut ["*/*".to_owned(), "x".to_owned()].into_iter())), ["methodSettings[x]"]);
        let mut most = (0..METHOD_SETTINGS_MAX).map(|at| format!("/{at}/GET"));
        assert_eq!(fields(&of(&mut most)), Vec::<String>::new());
        let mut more = (0..=METHOD_SETTINGS_MAX).map(|at| format!("/{at}/GET"));
        assert_eq!(fields(&of(&mut more)), ["methodSettings"]);
    }

    #[test]
    fn method_settings_have_known_words_and_numbers_in_range() {
        let right = MethodSetting {
            logging_level: "INFO".to_owned(),
            throttling_burst_limit: 0,
            throttling_rate_limit: number(0.0),
            cache_ttl_in_seconds: CACHE_TTL_S_MAX,
            unauthorized_cache_control_header_strategy: "FAIL_WITH_403".to_owned(),
            ..MethodSetting::default()
        };
        assert!(method_setting(&right).is_empty() && method_setting(&MethodSetting::default()).is_empty());
        let wrong = MethodSetting {
            logging_level: "info".to_owned(),
            throttling_burst_limit: -1,
            throttling_rate_limit: number(-0.5),
            cache_ttl_in_seconds: CACHE_TTL_S_MAX + 1,
            unauthorized_cache_control_header_strategy: String::new(),
            ..right
        };
        let stage = Stage {
            stage_name: "s".into(),
            method_settings: [(EVERY_METHOD.to_owned(), wrong)].into(),
            ..Stage::default()
        };
        let names = [
            "loggingLevel",
            "throttlingBurstLimit",
            "throttlingRateLimit",
            "cacheTtlInSeconds",
            "unauthorizedCacheControlHeaderStrategy",
        ];
        assert_eq!(fields(&stage), names.map(|name| format!("methodSettings[*/*].{name}")));
    }
}

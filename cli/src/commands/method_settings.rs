//! Settings of a stage's methods, as they are typed and shown: `KEY:SETTING=VALUE`, with the setting named as in the patch
//! paths of the specification (section h.1).

use std::collections::BTreeMap;
use std::str::FromStr;

use penstock_proto::management::v1 as pb;

use crate::exit::Failure;

/// One setting that is to be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettingEdit {
    key: String,
    setting: String,
    value: String,
}

/// Reads `KEY:SETTING=VALUE`. Paths may hold colons and equals signs, settings and values hold none.
pub(crate) fn setting_edit(text: &str) -> Result<SettingEdit, String> {
    let parts = text.rsplit_once('=').and_then(|(left, value)| Some((left.rsplit_once(':')?, value)));
    match parts {
        Some(((key, setting), value)) if !key.is_empty() && !setting.is_empty() => {
            Ok(SettingEdit { key: key.to_owned(), setting: setting.to_owned(), value: value.to_owned() })
        }
        _ => Err("expected KEY:SETTING=VALUE, such as '*/*:metrics/enabled=true'".into()),
    }
}

impl SettingEdit {
    /// Sets it; an entry that is not there is made, and has the defaults otherwise.
    ///
    /// # Errors
    /// [`Failure::Usage`]: there is no such setting, or its value is of another kind.
    pub(crate) fn apply(&self, settings: &mut BTreeMap<String, pb::MethodSetting>) -> Result<(), Failure> {
        let entry = settings.entry(self.key.clone()).or_default();
        match self.setting.as_str() {
            "metrics/enabled" => entry.metrics_enabled = self.read("true or false")?,
            "logging/loglevel" => entry.logging_level.clone_from(&self.value),
            "logging/dataTrace" => entry.data_trace_enabled = self.read("true or false")?,
            "throttling/burstLimit" => entry.throttling_burst_limit = Some(self.read("a whole number")?),
            "throttling/rateLimit" => entry.throttling_rate_limit = Some(self.read("a number")?),
            "caching/enabled" => entry.caching_enabled = self.read("true or false")?,
            "caching/ttlInSeconds" => entry.cache_ttl_in_seconds = Some(self.read("a whole number")?),
            "caching/dataEncrypted" => entry.cache_data_encrypted = self.read("true or false")?,
            "caching/requireAuthorizationForCacheControl" => {
                entry.require_authorization_for_cache_control = Some(self.read("true or false")?);
            }
            "caching/unauthorizedCacheControlHeaderStrategy" => {
                entry.unauthorized_cache_control_header_strategy.clone_from(&self.value);
            }
            unknown => return Err(Failure::Usage(format!("{unknown:?} is no setting of methods: --help lists them"))),
        }
        Ok(())
    }

    fn read<T: FromStr>(&self, kind: &str) -> Result<T, Failure> {
        let wrong = |_| Failure::Usage(format!("{}: expected {kind}, not {:?}", self.setting, self.value));
        self.value.parse().map_err(wrong)
    }
}

/// A stage's method settings for people, one line for each key.
pub(crate) fn lines(stage: &pb::Stage) -> String {
    let lines: Vec<_> =
        stage.method_settings.iter().map(|(key, setting)| format!("{key}: {}", words(setting))).collect();
    lines.join("\n")
}

fn words(setting: &pb::MethodSetting) -> String {
    let switches = [
        ("metrics/enabled", setting.metrics_enabled),
        ("logging/dataTrace", setting.data_trace_enabled),
        ("caching/enabled", setting.caching_enabled),
        ("caching/dataEncrypted", setting.cache_data_encrypted),
        (
            "caching/requireAuthorizationForCacheControl",
            setting.require_authorization_for_cache_control.unwrap_or(true),
        ),
    ];
    let mut words: Vec<_> = switches.into_iter().filter(|(_, on)| *on).map(|(name, _)| name.to_owned()).collect();
    let mut add = |name: &str, value: Option<String>| words.extend(value.map(|value| format!("{name}={value}")));
    add("logging/loglevel", (!setting.logging_level.is_empty()).then(|| setting.logging_level.clone()));
    add("throttling/burstLimit", setting.throttling_burst_limit.map(|limit| limit.to_string()));
    add("throttling/rateLimit", setting.throttling_rate_limit.map(|limit| limit.to_string()));
    add("caching/ttlInSeconds", setting.cache_ttl_in_seconds.map(|seconds| seconds.to_string()));
    let strategy = &setting.unauthorized_cache_control_header_strategy;
    add("caching/unauthorizedCacheControlHeaderStrategy", (!strategy.is_empty()).then(|| strategy.clone()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(lines: &[&str]) -> Result<BTreeMap<String, pb::MethodSetting>, Failure> {
        let mut settings = BTreeMap::new();
        for line in lines {
            setting_edit(line).unwrap().apply(&mut settings)?;
        }
        Ok(settings)
    }

    #[test]
    fn every_setting_of_the_specification_can_be_typed() {
        let settings = edited(&[
            "*/*:metrics/enabled=true",
            "*/*:logging/loglevel=INFO",
            "*/*:logging/dataTrace=true",
            "*/*:throttling/burstLimit=7",
            "*/*:throttling/rateLimit=2.5",
            "/a:b=c/GET:caching/enabled=true",
            "/a:b=c/GET:caching/ttlInSeconds=60",
            "/a:b=c/GET:caching/dataEncrypted=true",
            "/a:b=c/GET:caching/requireAuthorizationForCacheControl=false",
            "/a:b=c/GET:caching/unauthorizedCacheControlHeaderStrategy=FAIL_WITH_403",
        ]);
        let all = pb::MethodSetting {
            metrics_enabled: true,
            logging_level: "INFO".into(),
            data_trace_enabled: true,
            throttling_burst_limit: Some(7),
            throttling_rate_limit: Some(2.5),
            ..Default::default()
        };
        let one = pb::MethodSetting {
            caching_enabled: true,
            cache_ttl_in_seconds: Some(60),
            cache_data_encrypted: true,
            require_authorization_for_cache_control: Some(false),
            unauthorized_cache_control_header_strategy: "FAIL_WITH_403".into(),
            ..Default::default()
        };
        assert_eq!(settings.unwrap(), [("*/*".into(), all), ("/a:b=c/GET".into(), one)].into());
    }

    #[test]
    fn what_cannot_be_meant_is_a_usage_error() {
        for bad in ["", "*/*", "*/*:metrics/enabled", ":metrics/enabled=true", "*/*:=true", "metrics/enabled=true"] {
            assert!(setting_edit(bad).is_err(), "{bad}");
        }
        for bad in ["*/*:metrics=true", "*/*:metrics/enabled=yes", "*/*:throttling/burstLimit=1.5"] {
            assert_eq!(edited(&[bad]).unwrap_err().code(), 2, "{bad}");
        }
    }

    #[test]
    fn a_line_says_what_is_set() {
        let method_settings = edited(&["//GET:throttling/rateLimit=2.5", "//GET:metrics/enabled=true"]).unwrap();
        let stage = pb::Stage { method_settings, ..Default::default() };
        let line = "//GET: metrics/enabled caching/requireAuthorizationForCacheControl throttling/rateLimit=2.5";
        assert_eq!(lines(&stage), line);
    }
}

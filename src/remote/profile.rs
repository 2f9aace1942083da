//! What `~/.aws` says: the keys, the region and the endpoint of a profile. Only what stands there in plain text; profiles that
//! are exchanged for keys (SSO, roles) are told apart, so that it can be said.

use std::collections::HashMap;
use std::env;
use std::fs;
use std::path::PathBuf;

/// What a profile says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) name: String,
    pub(super) key: Option<(String, String)>,
    pub(super) token: Option<String>,
    pub(super) region: Option<String>,
    pub(super) endpoint: Option<String>,
    /// How its keys would have to be exchanged for, if they have to be.
    pub(super) exchanged: Option<&'static str>,
}

/// The profile that is asked for, else that which the environment names, else `default`; what is not there is empty.
pub(super) fn read(asked: Option<&str>) -> Profile {
    let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let home = |file: &str| set("HOME").map(|home| PathBuf::from(home).join(".aws").join(file));
    let file = |variable: &str, usual: &str| {
        let path = set(variable).map(PathBuf::from).or_else(|| home(usual))?;
        fs::read_to_string(path).ok()
    };
    let name = asked.map(str::to_owned).or_else(|| set("AWS_PROFILE")).unwrap_or_else(|| "default".to_owned());
    let credentials = file("AWS_SHARED_CREDENTIALS_FILE", "credentials").unwrap_or_default();
    let config = file("AWS_CONFIG_FILE", "config").unwrap_or_default();
    of(&name, &credentials, &config)
}

fn of(name: &str, credentials: &str, config: &str) -> Profile {
    // In `config` all sections but the default's begin with the word.
    let mut values = section(config, &[&format!("profile {name}"), name]);
    values.extend(section(credentials, &[name]));
    let mut take = |key: &str| values.remove(key).filter(|value| !value.is_empty());
    let key = take("aws_access_key_id").zip(take("aws_secret_access_key"));
    let ways = [
        ("sso_session", "SSO"),
        ("sso_start_url", "SSO"),
        ("role_arn", "a role"),
        ("credential_process", "a program that gives keys"),
        ("web_identity_token_file", "a web identity"),
    ];
    let exchanged = ways.into_iter().find_map(|(key, way)| take(key).map(|_| way));
    Profile {
        name: name.to_owned(),
        exchanged: exchanged.filter(|_| key.is_none()),
        key,
        token: take("aws_session_token"),
        region: take("region"),
        endpoint: take("endpoint_url"),
    }
}

/// The settings of a section, the last one of a name counting. Nested settings, which are indented, are passed over.
fn section(text: &str, names: &[&str]) -> HashMap<String, String> {
    let mut found = HashMap::new();
    let mut within = false;
    for line in text.lines() {
        if line.starts_with([' ', '\t']) || line.trim().is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.trim().strip_prefix('[').and_then(|line| line.split(']').next()) {
            let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
            within = names.contains(&name.as_str());
        } else if let Some((key, value)) = line.split_once('=').filter(|_| within) {
            let value = value.split(" #").next().unwrap_or(value);
            found.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "\
# of the team
[default]
region = eu-north-1
[profile  lab]
region=eu-west-1 # near
endpoint_url = https://objects.example
s3 =
  addressing_style = path
[profile people]
sso_session = x
";

    #[test]
    fn profiles_are_read_as_the_tools_of_aws_write_them() {
        let credentials =
            "[lab]\naws_access_key_id = A\naws_secret_access_key = S/+=\n[default]\naws_access_key_id=B\n";
        let lab = of("lab", credentials, CONFIG);
        assert_eq!(lab.key, Some(("A".into(), "S/+=".into())));
        assert_eq!(
            (lab.region.as_deref(), lab.endpoint.as_deref()),
            (Some("eu-west-1"), Some("https://objects.example"))
        );
        assert_eq!(of("default", credentials, CONFIG).key, None, "half a key is none");
        assert_eq!(of("people", credentials, CONFIG).exchanged, Some("SSO"));
        assert_eq!(of("nobody", credentials, CONFIG), Profile { name: "nobody".into(), ..Profile::default() });
    }
}

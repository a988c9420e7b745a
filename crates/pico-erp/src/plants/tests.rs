//! What a file of plants may hold, what is said of one that cannot be right, and that no secret is shown.

use super::config::PlantsConfig;
use crate::feed::FeedStart;

fn parse(text: &str) -> Result<PlantsConfig, String> {
    PlantsConfig::parse(text, "").map_err(|error| error.to_string())
}

const ONE: &str = "store = \"erp.pico\"\n[plants.berlin]\nendpoint = \"https://berlin.example\"\n";

#[test]
fn the_example_is_read_and_is_what_it_says() {
    let text = include_str!("../../../../examples/plants.toml");
    let config = parse(text).unwrap();
    let names: Vec<_> = config.plants().map(|(name, _)| name).collect();
    assert_eq!(names, ["berlin", "munich", "test-line"]);
    let berlin = config.plant("berlin").unwrap();
    assert_eq!(berlin.endpoint(), "https://berlin.picomes.com");
    let shown: serde_json::Value = berlin.to_json().decode().unwrap();
    assert_eq!(shown["token"], "the file secrets/berlin.token");
    assert_eq!(shown["webhook"]["url"], "https://erp.example/pico/berlin");
    assert_eq!(shown["feed"]["start"], "now");
    let munich: serde_json::Value = config.plant("munich").unwrap().to_json().decode().unwrap();
    assert_eq!((&munich["transport"], &munich["feed"]["catchUpEvery"]), (&"websocket".into(), &300.0.into()));
    assert!(munich["webhook"].is_null() && munich["feed"]["start"] == "now");
    let line = config.plant("test-line").unwrap();
    assert!(line.sender.is_none() && line.catalogue.is_none() && line.feed.is_some());
}

#[test]
fn what_is_commented_out_in_the_example_is_known_too() {
    let text = include_str!("../../../../examples/plants.toml");
    let mut all = String::new();
    for line in text.lines() {
        match line.strip_prefix("# ") {
            // A key, not prose.
            Some(rest)
                if rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
                    && !rest.contains("where") =>
            {
                all.push_str(rest);
            }
            _ => all.push_str(line),
        }
        all.push('\n');
    }
    assert!(all.contains("\nproxy = \"environment\"") && all.contains("\nnode_lease = 10"), "{all}");
    parse(&all).unwrap();
}

#[test]
fn a_plant_that_says_nothing_has_a_feed_and_a_sender() {
    let config = parse(ONE).unwrap();
    let berlin = config.plant("berlin").unwrap();
    assert_eq!(berlin.feed.as_ref().unwrap().policy.start, FeedStart::Beginning);
    assert!(berlin.sender.is_some() && berlin.catalogue.is_none() && berlin.webhook.is_none());
}

#[test]
fn what_cannot_be_right_is_told_with_its_place() {
    for (more, says) in [
        ("[plants.munich]\nendpont = \"x\"\n", &["line 5 (endpont)", "unknown field `endpont`"][..]),
        ("feed.max_atempts = 3\n", &["line 4 (feed.max_atempts)", "unknown field `max_atempts`"]),
        ("feed.max_attempts = \"3\"\n", &["line 4 (feed.max_attempts)", "invalid type"]),
        ("feed.max_attempts = 0\n", &["plants.berlin: feed", "max_attempts: is 0"]),
        ("feed.start = \"yesterday\"\n", &["plants.berlin", "feed.start: is \"yesterday\""]),
        ("transport = \"pigeon\"\n", &["plants.berlin", "transport: is \"pigeon\"", "websocket"]),
        ("token = \"a\"\ntoken_env = \"B\"\n", &["plants.berlin", "token: is given more than once"]),
        ("request_timeout = -1.0\n", &["plants.berlin", "request_timeout: is -1"]),
        ("webhook.url = \"https://erp\"\n", &["plants.berlin", "webhook: needs a [receiver]"]),
        ("[plants.munich]\n", &["plants.munich", "endpoint: is missing"]),
        ("[plants.\"two words\"]\nendpoint = \"x\"\n", &["plants.two words", "' '"]),
        ("[receiver]\nbind = \"a:1\"\npath = \"pico/\"\n", &["receiver.path: begins with a slash"]),
        ("[receiver]\nbind = \"a:1\"\ntls_key = \"k\"\n", &["receiver.tls_cert: and tls_key go together"]),
    ] {
        let error = parse(&format!("{ONE}{more}")).unwrap_err();
        assert!(says.iter().all(|part| error.contains(part)), "{more}: {error}");
    }
    for (text, says) in [
        ("", "missing field `store`"),
        ("store = 7", "the place of the store"),
        ("store = \"\"", "store.place: is empty"),
        ("store = \"mysql://h/d\"", "mysql"),
        ("[store]\nplace = \"a\"\nconections = 3", "unknown field `conections`"),
    ] {
        let said = parse(text).and_then(|config| {
            config.store.builder().map(|_| String::new()).map_err(|error| error.to_string())
        });
        // Whether a place can be one is known when it is opened.
        if !text.contains("mysql") {
            let error = said.unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}

#[test]
fn a_secret_is_neither_in_debug_nor_in_an_error_nor_in_json() {
    const SECRET: &str = "s3cret";
    let config = parse(
        "store = \"postgres://erp:s3cret@db/erp\"\n[receiver]\nbind = \"127.0.0.1:0\"\n[plants.berlin]\n\
         endpoint = \"https://berlin.example\"\ntoken = \"s3cret\"\nproxy = \"http://u:s3cret@proxy:1\"\n\
         webhook = { url = \"https://erp\", secret = \"s3cret\" }\n",
    )
    .unwrap();
    let berlin = config.plant("berlin").unwrap();
    assert!(!format!("{config:?}").contains(SECRET) && !berlin.to_json().as_str().contains(SECRET));
    assert_eq!(berlin.webhook.as_ref().unwrap().secret().unwrap().unwrap().1, SECRET);
    for wrong in
        ["token = [\"s3cret\"]", "token = { s3cret = 1 }", "token = \"s3cret", "token_env = [\"s3cret\"]"]
    {
        let error = parse(&format!("{ONE}{wrong}\n")).unwrap_err();
        assert!(!error.contains(SECRET) && error.contains("line 4"), "{wrong}: {error}");
    }
    let number = parse(&format!("{ONE}token = 1234567\n")).unwrap_err();
    assert!(number.contains("integer") && !number.contains("1234567"), "{number}");
}

#[test]
fn where_a_secret_comes_from_is_one_setting_that_a_plant_changes_as_a_whole() {
    let config = parse(&format!(
        "{ONE}token_env = \"T_{{plant}}\"\n[plants.munich]\nendpoint = \"https://m.example\"\n\
         [defaults]\ntoken_file = \"{{plant}}.token\"\n"
    ))
    .unwrap();
    let token = |plant: &str| {
        let shown: serde_json::Value = config.plant(plant).unwrap().to_json().decode().unwrap();
        shown["token"].as_str().unwrap().to_owned()
    };
    assert_eq!(token("berlin"), "the environment variable T_berlin");
    assert_eq!(token("munich"), "the file munich.token");
    let error = config.plant("munich").unwrap().client().unwrap_err().to_string();
    assert!(error.contains("token: the file munich.token cannot be read"), "{error}");
}

//! The pages as a reader has them: opened from disk in a real Chromium, wide and narrow, light and dark, on paper, without
//! a script.
//!
//! Without a Chromium these tests say so and check nothing, unless `CI=true`: there they fail.

mod chromium;

use std::io::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use chromium::Browser;

/// Tells of a page what can be told from within.
const PROBE: &str = include_str!("probe.js");
/// Windows of a desk and of a telephone, and the room between the margins of A4 paper, in CSS pixels.
const WIDE: u32 = 1280;
const NARROW: u32 = 360;
const PAPER: u32 = 673;

/// A browser, if there is one to be had.
pub(crate) fn browser(what: &str) -> Option<Browser> {
    if let Some(program) = chromium::find() {
        return Some(Browser::start(&program));
    }
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "{what}: no Chromium on this machine");
    // Past the test harness, which keeps what a test prints to itself if it passes.
    let _ = writeln!(std::io::stderr(), "NOT CHECKED, no Chromium on this machine: {what}");
    None
}

/// How a page is looked at.
struct View {
    width: u32,
    scheme: &'static str,
    media: &'static str,
}

impl View {
    fn look(&self, browser: &mut Browser) -> Value {
        let narrow = self.width == NARROW;
        browser.call(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": self.width, "height": 800, "deviceScaleFactor": 1, "mobile": narrow}),
        );
        let scheme = json!([{"name": "prefers-color-scheme", "value": self.scheme}]);
        browser.call("Emulation.setEmulatedMedia", json!({"media": self.media, "features": scheme}));
        let told = browser.evaluate(PROBE);
        serde_json::from_str(told.as_str().expect("text")).expect("JSON")
    }
}

/// Holds a page against everything that is asked of every page. `pictures` are the figures it has to show.
pub(crate) fn check(browser: &mut Browser, page: &Path, pictures: usize) {
    browser.call("Emulation.setScriptExecutionDisabled", json!({"value": false}));
    browser.open(page);
    nothing_is_amiss(browser, page);
    browser.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    browser.open(page);

    let light = View { width: WIDE, scheme: "light", media: "" }.look(browser);
    let dark = View { width: WIDE, scheme: "dark", media: "" }.look(browser);
    let narrow = View { width: NARROW, scheme: "light", media: "" }.look(browser);
    let narrow_dark = View { width: NARROW, scheme: "dark", media: "" }.look(browser);
    let paper = View { width: PAPER, scheme: "light", media: "print" }.look(browser);
    for (name, seen) in
        [("light", &light), ("dark", &dark), ("narrow", &narrow), ("narrow, dark", &narrow_dark), ("paper", &paper)]
    {
        for fault in ["faint", "wide", "twice", "dead", "silent", "unreachable"] {
            assert_eq!(seen[fault], json!([]), "{fault} ({name}) in {}", page.display());
        }
        assert!(number(&seen["overflow"]) <= number(&seen["window"]), "{name}: {seen}");
        assert!(number(&seen["texts"]) > 20.0, "{name}: {seen}");
        figures(name, seen, pictures);
    }
    assert_eq!(number(&narrow["window"]), f64::from(NARROW), "no viewport wider than the window");
    assert_ne!(light["ground"], dark["ground"]);
    assert_eq!(light["scripts"], 0);
    headings(&light);
    keyboard(browser);
}

/// How wide the text of a page is in windows of these widths, as a share of them.
pub(crate) fn shares(browser: &mut Browser, page: &Path, widths: &[u32]) -> Vec<f64> {
    browser.call("Emulation.setScriptExecutionDisabled", json!({"value": false}));
    browser.open(page);
    let mut share = |width: u32| {
        let metrics = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
        browser.call("Emulation.setDeviceMetricsOverride", metrics);
        number(&browser.evaluate("document.querySelector('main').getBoundingClientRect().width")) / f64::from(width)
    };
    widths.iter().map(|width| share(*width)).collect()
}

/// The page that is open can be printed.
pub(crate) fn print(browser: &mut Browser) {
    let printed = browser.call("Page.printToPDF", json!({"preferCSSPageSize": true}));
    // A PDF file in base64.
    assert!(printed["data"].as_str().is_some_and(|data| data.starts_with("JVBERi") && data.len() > 1000));
}

/// No console message, no request but for the page itself, no failure.
fn nothing_is_amiss(browser: &Browser, page: &Path) {
    let own = format!("file://{}", page.display());
    for event in browser.told() {
        let params = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Network.requestWillBeSent" => {
                let url = params["request"]["url"].as_str().expect("a URL");
                assert!(url == own || url.starts_with("data:"), "the page asks for {url}");
            }
            "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" | "Network.loadingFailed" => panic!("{event}"),
            "Log.entryAdded" => panic!("the console says: {}", params["entry"]["text"]),
            _ => {}
        }
    }
}

fn figures(name: &str, seen: &Value, wanted: usize) {
    let pictures = seen["pictures"].as_array().expect("pictures");
    assert_eq!(pictures.len(), wanted, "{name}: {seen}");
    for picture in pictures {
        let sizes = ["natural", "width", "height"].map(|size| number(&picture[size]));
        assert!(sizes.iter().all(|size| *size > 0.0) && picture["shown"] == true, "{name}: {picture}");
        assert!(picture["alt"].as_str().is_some_and(|alt| !alt.trim().is_empty()), "{name}: {picture}");
    }
}

/// One heading of the first level, at the top, and none that skips a level.
fn headings(seen: &Value) {
    let levels: Vec<f64> = seen["levels"].as_array().expect("levels").iter().map(number).collect();
    assert_eq!(levels.first(), Some(&1.0), "{levels:?}");
    assert_eq!(levels.iter().filter(|level| **level == 1.0).count(), 1, "{levels:?}");
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1.0), "{levels:?}");
}

/// The first key leads to a link that can be seen, and that one past the contents.
fn keyboard(browser: &mut Browser) {
    browser.call("Emulation.setEmulatedMedia", json!({"media": ""}));
    for (key, code, text) in [("Tab", 9, ""), ("Enter", 13, "\r")] {
        for sort in ["keyDown", "keyUp"] {
            let event = json!({"type": sort, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text});
            browser.call("Input.dispatchKeyEvent", event);
        }
        let at = browser.evaluate(
            "JSON.stringify([document.activeElement.className || document.activeElement.id, \
             document.activeElement.getBoundingClientRect().right > 0, location.hash])",
        );
        let wanted = if key == "Tab" { r#"["skip",true,""]"# } else { r##"["content",true,"#content"]"## };
        assert_eq!(at.as_str(), Some(wanted), "after {key}");
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

//! The viewer, asked over raw HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use instructmill::simulator::SimulatorSettings;
use instructmill::store::RunDir;
use instructmill::summary::StopReason;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::report::{assert_no_raw_signs, fill, hostile_texts};
use crate::support::{Place, Server, settings};

/// A viewer of `run`, for as long as it lives.
struct View {
    child: Child,
    port: u16,
}

impl View {
    fn start(place: &Place) -> Self {
        let mut command = place.command(&["view", "--run", "run"]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut talk = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        talk.read_line(&mut line).unwrap();
        let (_, rest) = line.split_once("http://127.0.0.1:").unwrap_or_else(|| panic!("{line}"));
        let port = rest.split_once('/').unwrap().0.parse().unwrap();
        Self { child, port }
    }

    /// Sends a request as it is and gives head and body.
    fn send(&self, request: &str) -> (String, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), body.to_owned())
    }

    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn ask(&self, path: &str, headers: &str) -> (String, String) {
        let host = self.host();
        self.send(&format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n{headers}\r\n"))
    }

    #[track_caller]
    fn page(&self, path: &str) -> String {
        let (head, body) = self.ask(path, "");
        assert!(head.contains(" 200 OK"), "{path}: {head}\n{body}");
        body
    }

    fn live(&self) -> Value {
        serde_json::from_str(&self.page("/live")).unwrap()
    }

    /// Waits until the index has every row.
    fn wait(&self) -> Value {
        loop {
            let live = self.live();
            if live["complete"] == true {
                return live;
            }
        }
    }

    fn post(&self, body: &str, headers: &str) -> (String, String) {
        let (host, length) = (self.host(), body.len());
        self.send(&format!(
            "POST /mark HTTP/1.0\r\nHost: {host}\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        ))
    }

    fn token(&self) -> String {
        between(&self.page("/"), "name=\"token\" value=\"", "\"").to_owned()
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn between<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    page.split_once(from).unwrap_or_else(|| panic!("no {from}")).1.split_once(to).unwrap().0
}

/// The places of the rows on a page, in order.
fn rows(page: &str) -> Vec<&str> {
    page.split("<li id=\"row-").skip(1).map(|rest| rest.split_once('"').unwrap().0).collect()
}

/// How many of a hundred words of a row and of its neighbour are marked as common: what ROUGE-L
/// measures.
fn percent_marked(page: &str) -> usize {
    let pair = page.split_once("class=\"pair\"").unwrap_or_else(|| panic!("no pair: {page}")).1;
    let texts =
        pair.split("dir=\"auto\">").skip(1).map(|text| text.split_once("</div>").unwrap().0);
    let words = |text: &str| text.split_whitespace().count();
    let (mut marked, mut all) = (0, 0);
    for text in texts {
        all += words(&text.replace("<mark>", "").replace("</mark>", ""));
        let marks = text.split("<mark>").skip(1).map(|mark| mark.split_once("</mark>").unwrap().0);
        marked += marks.map(words).sum::<usize>();
    }
    100 * marked / all
}

fn simulated(target: &str) -> Place {
    let place = Place::new();
    let args = ["generate", "--run", "run", "--provider", "simulated", "--yes", "--target", target];
    place.run(&args).assert_code(0);
    place
}

/// The address that a link leads to.
fn link<'a>(page: &'a str, name: &str) -> Option<String> {
    let (before, _) = page.split_once(&format!("\">{name}</a>"))?;
    let (_, address): (&'a str, &'a str) = before.rsplit_once("href=\"")?;
    Some(address.replace("&amp;", "&").split('#').next().unwrap().to_owned())
}

#[test]
fn pages_lead_through_every_row_and_back() {
    let place = simulated("150");
    let view = View::start(&place);
    let live = view.wait();
    let mut page = view.page("/?order=oldest");
    let (mut pages, mut seen) = (1, Vec::new());
    loop {
        seen.extend(rows(&page).iter().map(|row| (*row).to_owned()));
        let Some(next) = link(&page, "Next page") else { break };
        page = view.page(&next);
        pages += 1;
    }
    assert_eq!(seen.len().to_string(), live["rows"].as_str().unwrap().replace(',', ""));
    assert!(pages > 3 && seen.len() > 150);
    while let Some(previous) = link(&page, "Previous page") {
        page = view.page(&previous);
        pages -= 1;
    }
    assert_eq!(pages, 1);
    let newest = view.page("/");
    let last: Vec<&str> = seen.iter().rev().take(40).map(String::as_str).collect();
    assert_eq!(rows(&newest), last);
    assert!(newest.contains("SIMULATED"));
}

#[test]
fn filters_and_words_find_rows_and_export_them() {
    let place = simulated("150");
    let view = View::start(&place);
    view.wait();
    let status = place.status();
    let lines = |address: &str| view.page(address).lines().count();
    assert_eq!(lines("/export?fate=accepted") as u64, status["accepted"].as_u64().unwrap());
    let mut rejected = 0;
    for (stage, rules) in status["rejections"].as_object().unwrap() {
        for (rule, count) in rules.as_object().unwrap() {
            let found = lines(&format!("/export?fate={stage}%2F{rule}")) as u64;
            assert_eq!(found, count.as_u64().unwrap(), "{stage} {rule}");
            rejected += found;
        }
    }
    assert!(rejected > 0);
    assert_eq!(lines("/export?fate=rejected") as u64, rejected);
    let export = view.page("/export?fate=accepted");
    let first: Value = serde_json::from_str(export.lines().next().unwrap()).unwrap();
    let instruction = first["instruction"].as_str().unwrap();
    let words: Vec<&str> =
        instruction.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let page = view.page(&format!("/?q=%22{}%22&order=oldest", words.join("+")));
    assert_eq!(rows(&page).first().copied(), first["row"].as_str());
    assert!(view.page("/?q=xyzzyplugh").contains("0 rows fit"));
    assert!(view.page("/?q=%3F%3F").contains("no word to search for"));
    let request = view.page("/?request=0");
    assert!(!rows(&request).is_empty() && rows(&request).iter().all(|row| row.starts_with("1.")));
    for bad in ["/?fate=lost", "/?after=x", "/row/x"] {
        assert!(view.ask(bad, "").0.contains(" 400 "), "{bad}");
    }
    assert!(view.ask("/row/999999.0", "").0.contains(" 404 "));
}

#[test]
fn a_duplicate_is_shown_beside_what_it_is_like() {
    let place = simulated("150");
    let view = View::start(&place);
    view.wait();
    let export = view.page("/export?fate=novelty");
    let duplicates = export.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut kinds = std::collections::BTreeSet::new();
    for row in duplicates {
        let nearest = row["nearest"].as_str().unwrap();
        kinds.insert(nearest.split(':').next().unwrap().to_owned());
        let page = view.page(&format!("/row/{}", row["row"].as_str().unwrap()));
        assert!(percent_marked(&page) >= 69, "{row}");
    }
    assert!(kinds.contains("task"), "{kinds:?}");
}

#[test]
fn a_task_whose_output_was_bought_apart_can_be_marked() {
    let place = Place::new();
    let args = ["generate", "--run", "run", "--provider", "simulated", "--yes", "--target", "20"];
    place.run(&[&args[..], &["--phases", "instructions+responses"]].concat()).assert_code(0);
    let view = View::start(&place);
    view.wait();
    let row = rows(&view.page("/?fate=accepted"))[0].to_owned();
    let form = format!("token={}&row={row}&bad=yes&back=", view.token());
    assert!(view.post(&form, "").0.contains(" 303 "));
    assert_eq!(place.export().len(), 19);
}

#[test]
fn rows_of_two_models_are_told_apart() {
    let (place, server) = (Place::new(), Server::start(settings()));
    let strong = SimulatorSettings { model: Some("strong & <b>".into()), ..settings() };
    let strong = Server::start(strong);
    let table = format!(
        "phases = \"instructions+responses\"\ntarget = 200\nbudget = 5\n[responses]\n\
         model = \"strong & <b>\"\nbase_url = \"{}\"\nprice_in = 1\nprice_out = 2\n",
        strong.base_url()
    );
    place.write("mill.toml", table);
    place.generate(&server, &["--config", "mill.toml"]).assert_code(0);
    let view = View::start(&place);
    view.wait();
    let export = |address: &str| -> Vec<Value> {
        view.page(address).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = export("/export");
    let first = all[0]["model"].as_str().unwrap();
    assert_ne!(first, "strong & <b>");
    let (instructions, outputs): (Vec<_>, Vec<_>) =
        all.iter().cloned().partition(|row| row["model"] == first);
    assert!(outputs.iter().all(|row| row["model"] == "strong & <b>" && row["output"] != ""));
    assert!(
        instructions.iter().all(|row| row["task_id"].is_null()),
        "an output makes a task whole"
    );
    assert_eq!(export(&format!("/export?model={first}")), instructions);
    assert_eq!(export("/export?model=strong+%26+%3Cb%3E"), outputs);
    assert_eq!(export("/export?model=strong+%26+%3Cb%3E&fate=accepted").len(), 200);
    assert!(export(&format!("/export?model={first}&fate=accepted")).is_empty());
    assert!(view.ask("/?model=stronger", "").0.contains(" 400 "));

    let page = view.page("/?model=strong+%26+%3Cb%3E");
    let option = "<option value=\"strong &amp; &lt;b&gt;\" selected=\"\">\
                  strong &amp; &lt;b&gt; · outputs</option>";
    assert!(page.contains(option), "{page}");
    let next = link(&page, "Next page").unwrap();
    assert!(
        rows(&view.page(&next))
            .iter()
            .all(|row| { outputs.iter().any(|output| output["row"] == *row) })
    );
    let row = view.page(&format!("/row/{}", outputs[0]["row"].as_str().unwrap()));
    let asked = link(&row, "Its instruction").unwrap();
    assert!(row.contains(&format!("strong &amp; &lt;b&gt;; its instruction: {first}")), "{row}");
    let mut beside_instructions = 0;
    for row in instructions.iter().filter(|row| row["stage"] == "novelty") {
        let page = view.page(&format!("/row/{}", row["row"].as_str().unwrap()));
        assert!(percent_marked(&page) >= 69, "{row}");
        let nearest = row["nearest"].as_str().unwrap();
        beside_instructions += usize::from(nearest.starts_with("open:"));
    }
    assert!(beside_instructions > 0, "no duplicate of an instruction: the check proves nothing");
    let instruction = view.page(&asked);
    assert!(instruction.contains("passed: its output is a row of its own"), "{instruction}");
    assert!(
        instruction
            .contains(outputs[0]["instruction"].as_str().unwrap().split('&').next().unwrap())
    );
}

#[test]
fn one_model_is_no_choice() {
    for phases in ["tasks", "instructions+responses"] {
        let place = Place::new();
        let args = ["generate", "--run", "run", "--provider", "simulated", "--yes"];
        place.run(&[&args[..], &["--target", "10", "--phases", phases]].concat()).assert_code(0);
        let view = View::start(&place);
        view.wait();
        let page = view.page("/");
        assert!(!page.contains("name=\"model\"") && !page.contains("class=\"model\""), "{phases}");
    }
}

#[test]
fn marks_need_the_token_and_are_kept() {
    let place = simulated("20");
    let view = View::start(&place);
    view.wait();
    let token = view.token();
    let row = rows(&view.page("/?fate=accepted"))[0].to_owned();
    let form = |token: &str, bad: &str| {
        format!("token={token}&row={row}&bad={bad}&back=fate%3Daccepted%26x%3D//evil.example")
    };
    for token in ["", "0123456789abcdef0123456789abcdef"] {
        assert!(view.post(&form(token, "yes"), "").0.contains(" 403 "), "{token}");
    }
    let origin = "Origin: http://evil.example\r\n";
    assert!(view.post(&form(&token, "yes"), origin).0.contains(" 403 "));
    assert!(view.ask(&format!("/mark?{}", form(&token, "yes")), "").0.contains(" 405 "));
    assert!(!place.path("run/marks.db").exists());
    let origin = format!("Origin: http://{}\r\n", view.host());
    let (head, _) = view.post(&form(&token, "yes"), &origin);
    assert!(head.contains(" 303 "), "{head}");
    assert!(head.contains(&format!("location: /?fate=accepted#row-{row}")), "{head}");
    assert_eq!(rows(&view.page("/?fate=marked")), [&row]);
    assert_eq!(view.page("/export?fate=accepted").lines().count(), 19);
    assert_eq!(view.page("/export?fate=marked").lines().count(), 1);
    assert_eq!(place.export().len(), 19);
    let marks = RunDir::new(place.path("run")).read().unwrap().marks().unwrap();
    assert_eq!(marks.rows().iter().map(ToString::to_string).collect::<Vec<_>>(), [row.as_str()]);
    assert!(view.post(&form(&token, "no"), "").0.contains(" 303 "));
    assert!(rows(&view.page("/?fate=marked")).is_empty());
    let unknown = format!("token={token}&row=999.0&bad=yes");
    assert!(view.post(&unknown, "").0.contains(" 404 "));
    assert!(view.post(&format!("token={token}&row=x&bad=yes"), "").0.contains(" 400 "));
}

#[test]
fn other_names_and_other_sites_are_refused_and_pages_may_do_little() {
    let place = simulated("5");
    let view = View::start(&place);
    for host in ["evil.example", "127.0.0.1:1", "localhost.evil.example:80"] {
        let (head, body) = view.send(&format!("GET / HTTP/1.0\r\nHost: {host}\r\n\r\n"));
        assert!(head.contains(" 403 ") && !body.contains("<html"), "{host}");
    }
    assert!(view.send("GET / HTTP/1.0\r\n\r\n").0.contains(" 403 "));
    for origin in ["http://evil.example", "null"] {
        assert!(view.ask("/live", &format!("Origin: {origin}\r\n")).0.contains(" 403 "));
    }
    let (head, _) = view.ask("/", "");
    for header in [
        "content-security-policy: default-src 'none'; style-src 'self'; script-src 'self'",
        "x-content-type-options: nosniff",
        "cross-origin-resource-policy: same-origin",
    ] {
        assert!(head.contains(header), "{header} in {head}");
    }
    assert!(!head.to_lowercase().contains("access-control"));
}

#[test]
fn hostile_texts_are_harmless_and_new_rows_appear() {
    let place = Place::new();
    let runtime = Runtime::new().unwrap();
    let run = RunDir::new(place.path("run")).open().unwrap();
    let view = View::start(&place);
    assert!(view.page("/").contains("no rows"));
    let mut texts = hostile_texts();
    texts.push("保持健康的三个提示".to_owned());
    runtime.block_on(fill(&run, &texts));
    while view.live()["rows"] == "0" || view.live()["complete"] != true {}
    assert_eq!(view.live()["running"], true);
    let list = view.page("/");
    assert_eq!(rows(&list).len(), 2 * texts.len());
    assert!(list.contains("&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(list.contains("cut here: 400 of 100,002 characters"));
    assert_no_raw_signs(&list);
    for index in 0..2 * texts.len() {
        assert_no_raw_signs(&view.page(&format!("/row/1.{index}")));
    }
    assert_eq!(rows(&view.page("/?q=%E5%81%A5%E5%BA%B7")), ["1.19", "1.18"], "健康");
    let asked = view.page("/?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&fate=filter%2F%3Cb%3E");
    assert!(!asked.contains("<script>") && !asked.contains("<b>"));
    runtime.block_on(run.journal.close(StopReason::Target, None)).unwrap();
    drop(run.journal);
    run.writer.join();
}

#[test]
fn a_missing_run_and_a_taken_port_are_told() {
    let place = Place::new();
    place.run(&["view", "--run", "run"]).assert_code(2).assert_says("no run in");
    drop(RunDir::new(place.path("run")).open().unwrap());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = place.run(&["view", "--run", "run", "--port", &port]);
    ended.assert_code(1).assert_says("cannot listen on 127.0.0.1:").assert_says("--port");
}

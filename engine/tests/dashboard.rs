//! Goal: `--dashboard` shows what the lake holds and what is on its way there, to whoever may look, and whoever looks, or
//! sends nonsense, changes nothing of the run.
//!
//! Method: the binary with a dashboard on a free port, and a plain client over a socket. The lake's rows come from
//! `tillrace show --output json`, which other tests compare with Parquet itself.

mod support;

use std::io::{BufRead, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::http::{Event, Events, Reply, connect, get, read_reply, request};
use support::lines::{click, line, order, order_of, payment, view};
use support::tillrace::{Running, TILLRACE, Workplace, eventually, text};

const ANYWHERE: [&str; 2] = ["--dashboard", "127.0.0.1:0"];
const TOKEN: &str = "correct-horse-battery-staple";

/// A run with a dashboard, and where it is.
fn start(place: &Workplace, args: &[&str]) -> (Running, SocketAddr) {
    let args: Vec<&str> = ["run"].iter().chain(&ANYWHERE).chain(args).copied().collect();
    let run = place.start(&args);
    let address = run.dashboard();
    (run, address)
}

/// A finished run of half an hour of trade, whose dashboard stays.
fn finished(place: &Workplace) -> (Running, SocketAddr) {
    let sim = ["--duration", "30m", "--rate", "20", "--malformed", "0.01", "--rollup", "10m,1d"];
    let (run, address) = start(place, &[&sim[..], &["--dashboard-linger"]].concat());
    eventually("the end", || get(address, "/api/v1/status", &[]).json()["has_ended"] == true);
    (run, address)
}

/// Lines of the simulator, some of which are no UTF-8.
fn simulated(place: &Workplace, args: &[&str]) -> Vec<u8> {
    let args: Vec<&str> =
        ["simulate", "--mode", "batch", "--output", "simulated"].iter().chain(args).copied().collect();
    place.tillrace(&args).assert_code(0);
    std::fs::read(place.path().join("simulated")).unwrap()
}

fn stop(run: Running) {
    run.signal("INT");
    run.wait().assert_code(0);
}

/// `tillrace show LAKE TABLE --output json`, a value a row.
fn show(place: &Workplace, args: &[&str]) -> Vec<Value> {
    let args: Vec<&str> = ["show", "lake", "--output", "json"].iter().chain(args).copied().collect();
    let done = place.tillrace(&args).assert_code(0);
    done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A row of a windowed table as a `window` event has it: without the columns that say which window it is.
fn without_window(row: &Value) -> Value {
    let mut row = row.clone();
    let fields = row.as_object_mut().unwrap();
    for leading in ["window_start", "window_end", "date_key", "minute_of_day"] {
        fields.remove(leading).unwrap();
    }
    row
}

fn windows(events: &[Event]) -> Vec<&Value> {
    events.iter().filter(|event| event.name == "window").map(|event| &event.data).collect()
}

/// The `window` events of a grain with figures.
fn kpis_of<'a>(windows: &[&'a Value], grain: &str) -> Vec<&'a Value> {
    windows.iter().filter(|window| window["grain"] == grain).map(|window| &window["kpis"]).collect()
}

#[test]
fn the_page_comes_with_headers_that_keep_a_browser_safe() {
    let place = Workplace::new();
    let (run, address) = start(&place, &["--rate", "50"]);
    let page = get(address, "/", &[]).assert_status(200);
    assert!(page.body.contains("<meta name=\"tillrace-source\" content=\"live\">"), "{}", page.body);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    for path in ["/", "/index.html", "/api/v1/status", "/api/v1/kpis", "/api/v1/nothing", "/nothing"] {
        let reply = get(address, path, &[]);
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'self';") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(reply.header("cross-origin-resource-policy"), Some("same-origin"), "{path}");
        assert_eq!(reply.header("access-control-allow-origin"), None, "{path}");
    }
    let head = request(address, "HEAD", "/", &[]).unwrap().assert_status(200);
    assert_eq!(head.header("content-length").unwrap(), page.body.len().to_string());
    stop(run);
}

#[test]
fn tables_are_those_that_show_prints() {
    let place = Workplace::new();
    let (run, address) = finished(&place);
    let tables = get(address, "/api/v1/tables", &[]).assert_status(200).json();
    let tables: Vec<&str> = tables["tables"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(tables.contains(&"products_1m") && tables.contains(&"dim_product") && tables.contains(&"rejected"));
    for table in &tables {
        let reply = get(address, &format!("/api/v1/tables/{table}?limit=10000"), &[]).assert_status(200);
        let (answer, mut rows) = (reply.json(), show(&place, &[table]));
        assert_eq!(answer["is_complete"], rows.len() <= 10_000, "{table}");
        rows.truncate(10_000);
        assert_eq!(answer["rows"].as_array().unwrap(), &rows, "{table}");
        assert_eq!(answer["table"], **table);
    }
    let rows = |query: &str| get(address, &format!("/api/v1/tables/{query}"), &[]).assert_status(200).json();
    let span = rows("kpis?grain=10m&from=2026-01-01T00:10:00Z&to=2026-01-01T00%3A20%3A00%2B00%3A00");
    assert_eq!(span["rows"].as_array().unwrap().len(), 1);
    assert_eq!(span["rows"][0]["window_start"], "2026-01-01T00:10:00Z");
    assert!(span["rows"][0]["revenue"].is_string(), "money is text");
    let first = rows("kpis_1m?limit=2");
    assert_eq!(
        (&first["rows"].as_array().unwrap()[..], &first["is_complete"]),
        (&show(&place, &["kpis_1m"])[..2], &false.into())
    );
    assert_eq!(rows("gold/kpis_1m?limit=0")["rows"], serde_json::json!([]));
    let kpis = get(address, "/api/v1/kpis?grain=1m&limit=3", &[]).assert_status(200).json();
    assert_eq!(kpis["rows"].as_array().unwrap(), &show(&place, &["--grain", "1m", "--limit", "3"]));
    stop(run);
}

#[test]
fn what_cannot_be_answered_is_said() {
    let place = Workplace::new();
    let (run, address) = finished(&place);
    for (path, status, words) in [
        ("/api/v1/tables/orders", 404, "unknown table \"orders\"; there are products_1m"),
        ("/api/v1/tables/kpis?grain=7s", 400, "grain \"7s\" is not of the form"),
        ("/api/v1/tables/kpis?grain=5m", 400, "unknown grain 5m; kpis exists in 1m, 10m, 1d"),
        ("/api/v1/tables/kpis_1m?grain=1m", 400, "grain does not go with kpis_1m: its name says its grain"),
        ("/api/v1/tables/dim_product?from=2026-01-01", 400, "from does not go with dim_product"),
        ("/api/v1/tables/kpis_1m?from=2026-01-02&to=2026-01-01", 400, "from 2026-01-02T00:00:00Z is not before to"),
        ("/api/v1/tables/kpis_1m?limit=10001", 400, "limit=10001: expected at most 10000"),
        ("/api/v1/tables/kpis_1m?limits=1", 400, "unknown parameter \"limits\"; expected grain, from, to, limit"),
        ("/api/v1/kpis?limit=9999", 400, "expected at most 1440"),
        ("/api/v1/status?x=1", 400, "unknown parameter"),
        ("/api/v2/status", 404, "nothing is at /api/v2/status; see docs/dashboard.md"),
        ("/lake/_tillrace/run.json", 404, "nothing is at"),
    ] {
        let reply = get(address, path, &[]).assert_status(status);
        let error = reply.json()["error"].as_str().unwrap().to_owned();
        assert!(error.contains(words), "{path}: {error}");
        assert!(!error.contains("/dev/shm") && !error.contains("tmp"), "{error}");
    }
    stop(run);
}

/// Reads the stream of a run of which lines come as fast as they are taken, in several steps.
#[test]
fn closed_windows_of_the_stream_are_the_lakes_rows_and_so_is_the_history() {
    let place = Workplace::new();
    let simulate = ["--duration", "20m", "--rate", "20", "--malformed", "0.01"];
    let lines = simulated(&place, &simulate);
    for shards in ["1", "2"] {
        let lake = format!("lake-{shards}");
        let args = [
            "--input",
            "-",
            "--lake",
            &lake,
            "--rollup",
            "10m,1d",
            "--shards",
            shards,
            "--no-pin",
            "--dashboard-linger",
        ];
        let (mut run, address) = start(&place, &args);
        let mut early = Events::listen(address, None);
        let (first, second) = lines.split_at(lines.len() / 2);
        run.send(first);
        let mut told = vec![early.next_of("hello"), early.next_of("window")];
        run.send(second);
        let run = run.close_stdin();
        told.extend(early.by_ref().take_while(|event| event.name != "end"));
        // Somebody who comes after the end hears the same, the older ones without products.
        let history: Vec<Event> = Events::listen(address, None).take_while(|event| event.name != "end").collect();
        let of_table = |table: &str| -> Vec<Value> {
            let done = place.tillrace(&["show", &lake, table, "--output", "json"]).assert_code(0);
            done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        for grain in ["1m", "10m", "1d"] {
            let rows: Vec<Value> = of_table(&format!("kpis_{grain}")).iter().map(without_window).collect();
            assert_eq!(kpis_of(&windows(&told), grain), rows.iter().collect::<Vec<_>>(), "{grain}");
            assert_eq!(kpis_of(&windows(&history), grain), rows.iter().collect::<Vec<_>>(), "{grain}");
        }
        let all = of_table("products_1m");
        let names = of_table("dim_product");
        for window in windows(&told).into_iter().filter(|window| window["grain"] == "1m") {
            let start = window["start_ms"].as_i64().unwrap() * 1_000;
            let start = engine_model::EventTime::from_micros(start).to_string();
            let rows: Vec<&Value> = all.iter().filter(|row| row["window_start"] == *start).collect();
            assert_eq!(window["products"]["count"], rows.len());
            let top = window["products"]["top"].as_array().unwrap();
            assert_eq!(top.len(), rows.len().min(20));
            for (told, row) in top.iter().zip(rows) {
                let mut told = told.clone();
                let name = told.as_object_mut().unwrap().remove("name").unwrap();
                assert_eq!(told, without_window(row));
                let known = names.iter().find(|row| row["product_id"] == told["product_id"]);
                assert!(name.is_null() || known.is_some(), "{name}");
            }
        }
        let quality: u64 = windows(&told).iter().filter_map(|window| window["quality"]["records"].as_u64()).sum();
        let records = u64::try_from(lines.split(|byte| *byte == b'\n').count() - 1).unwrap();
        assert!(quality <= records && quality + 20 >= records, "{quality} of {records}");
        let tops = |events: &[Event]| {
            windows(events).iter().map(|window| window["products"]["top"].as_array().unwrap().len()).collect::<Vec<_>>()
        };
        assert!(tops(&told).iter().all(|top| *top > 0));
        assert_eq!(tops(&history).iter().filter(|top| **top > 0).count(), 2 + 2 + 1, "{:?}", tops(&history));
        stop(run);
    }
}

/// Revenue, orders, events and distinct counts of the open window that starts at a minute.
fn open_figures(event: &Event, minute: i64) -> Option<&Value> {
    let start_ms = support::lines::START / 1_000 + minute * 60_000;
    event.data["windows"].as_array().unwrap().iter().find(|window| window["start_ms"] == start_ms)
}

#[test]
fn an_open_window_grows_never_shrinks_and_ends_as_the_closed_one() {
    for (cores, shards) in [("", "1"), ("", "3"), ("0", "1")] {
        let place = Workplace::new();
        let mut run = place.start_command(on_cores(cores, &["--input", "-", "--shards", shards, "--no-pin"]));
        let address = run.dashboard();
        let mut events = Events::listen(address, None);
        let customer = |n: usize| format!(r#""product_id":"p","customer_id":"c{}""#, n % 7);
        let mut last = Value::Null;
        for step in 0..4 {
            let lines = (0..25).map(|n| step * 25 + n).flat_map(|n| {
                #[expect(clippy::cast_precision_loss, reason = "small")]
                let at = n as f64 / 2.0;
                [
                    click(&format!("v{n}"), at, "view", &format!("s{}", n % 11), &customer(n)),
                    order(&format!("o{n}"), at, "1.25"),
                    payment(&format!("y{n}"), at, "1.25", "succeeded", ""),
                    // A copy of the order, which counts for nothing.
                    order(&format!("o{n}"), at, "1.25"),
                ]
            });
            run.send(text(&lines.collect::<Vec<_>>()));
            let expected = u64::try_from(75 * (step + 1)).unwrap();
            loop {
                let event = events.next_of("open");
                let Some(window) = open_figures(&event, 0) else { continue };
                let count = |window: &Value, name: &str| window[name].as_u64().unwrap_or(0);
                for name in ["events", "orders", "units", "payments_succeeded", "unique_customers", "sessions"] {
                    assert!(count(window, name) >= count(&last, name), "{name}: {last} then {window}");
                }
                assert!(count(window, "events") <= expected, "{window}");
                last = window.clone();
                let is_counted = count(window, "unique_customers") == 8 && count(window, "sessions") == 12;
                if count(window, "events") == expected && (step < 3 || is_counted) {
                    break;
                }
            }
        }
        let status = events.next_of("status").data;
        assert_eq!((status["accepted"].as_u64(), status["duplicates"].as_u64()), (Some(300), Some(100)), "{status}");
        run.send(text(&[view("end", 70.0)]));
        let closed = events.next_of("window").data;
        for (name, value) in last.as_object().unwrap() {
            let is_of_window = ["grain", "start_ms", "end_ms"].contains(&name.as_str());
            let closed = if is_of_window { &closed[name] } else { &closed["kpis"][name] };
            assert_eq!(closed, value, "{name}");
        }
        // The hour goes on: its closed minutes, to which the open one is added.
        let open = loop {
            // The window may close before the shards have told of the next one.
            let open = events.next_of("open").data;
            if open["windows"].as_array().is_some_and(|windows| !windows.is_empty()) {
                break open;
            }
        };
        assert_eq!(
            (&open["rollups"][0]["grain"], &open["rollups"][0]["events"]),
            (&"1h".into(), &300.into()),
            "{open}"
        );
        let windows = open["windows"].as_array().unwrap();
        assert_eq!((windows.len(), &windows[0]["events"]), (1, &1.into()), "{open}");
        let run = run.close_stdin();
        let end = events.next_of("end").data;
        assert_eq!((&end["how"], &end["status"]["records"]), (&"finished".into(), &401.into()));
        assert_eq!(events.next().map(|event| event.name), None, "nothing comes after the end");
        run.wait().assert_code(0);
    }
}

/// A run with a dashboard that may use these cores only, or all.
fn on_cores(cores: &str, args: &[&str]) -> Command {
    let mut command = if cores.is_empty() { Command::new(TILLRACE) } else { Command::new("taskset") };
    if !cores.is_empty() {
        command.args(["-c", cores, TILLRACE]);
    }
    command.arg("run").args(ANYWHERE).args(args);
    command
}

/// On one core the source does the shard's work, and there is no ring to be asked over.
#[test]
fn a_live_shop_on_one_core_is_seen_too() {
    let place = Workplace::new();
    let run = place.start_command(on_cores("0", &["--rate", "200"]));
    let mut events = Events::listen(run.dashboard(), None);
    let mut newest = || {
        let open = events.next_of("open").data;
        open["windows"].as_array().unwrap().last().map_or(0, |window| window["events"].as_u64().unwrap())
    };
    eventually("figures of an open window", || newest() > 0);
    let before = newest();
    eventually("more of them, or a new window", || newest() != before);
    stop(run);
}

#[test]
fn a_browser_that_does_not_read_holds_nothing_up_and_is_told_to_load_again() {
    let place = Workplace::in_memory();
    let simulate = ["--duration", "50m", "--window", "1s", "--rate", "10"];
    place.write("shop.jsonl", simulated(&place, &simulate));
    let shape = ["--window", "1s", "--rollup", "none", "--lateness", "1s"];
    place.run(&[&["--input", "shop.jsonl", "--lake", "without"], &shape[..]].concat());
    let (mut run, address) = start(&place, &[&["--input", "-", "--dashboard-linger"], &shape[..]].concat());
    let mut idle: Vec<_> = (0..3).map(|_| connect(address)).collect();
    for connection in &mut idle {
        connection.get_mut().write_all(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    }
    eventually("three readers", || get(address, "/api/v1/status", &[]).json()["readers"] == 3);
    run.send(std::fs::read(place.path().join("shop.jsonl")).unwrap());
    let run = run.close_stdin();
    eventually("the end", || get(address, "/api/v1/status", &[]).json()["has_ended"] == true);
    // One of them reads at last: what waits for it, then that it is to load again, and no more.
    let told: Vec<Event> = Events::after(idle.pop().unwrap()).collect();
    let (last, before) = told.split_last().unwrap();
    assert_eq!(last.name, "reload", "after {} events", told.len());
    assert!(before.len() > 10 && before.iter().all(|event| event.name != "end"), "{} events", before.len());
    // Whoever loads again has it all, as far back as it is kept.
    let again: Vec<Event> =
        Events::listen(address, before.last().unwrap().id.as_deref()).take_while(|event| event.name != "end").collect();
    assert_eq!((again[0].name.as_str(), windows(&again).len()), ("hello", 1_440));
    // The others never read, and lose their places.
    eventually("nobody is left", || get(address, "/api/v1/status", &[]).json()["readers"] == 0);
    stop(run);
    for table in ["kpis_1s", "products_1s", "quality_1s", "dim_product"] {
        let rows = |lake: &str| place.tillrace(&["show", lake, table, "--output", "json"]).assert_code(0).out;
        assert!(rows("without") == rows("lake"), "{table} differs");
    }
}

#[test]
fn who_has_lost_the_connection_goes_on_where_it_was_and_after_a_restart_begins_anew() {
    let place = Workplace::new();
    let minutes = |first: u32, count: u32| -> String {
        let lines: Vec<String> = (first..first + count).map(|n| view(&format!("v{n}"), f64::from(n) * 60.0)).collect();
        text(&lines)
    };
    let (mut run, address) = start(&place, &["--input", "-", "--rollup", "none"]);
    run.send(minutes(0, 4));
    let mut events = Events::listen(address, None);
    let hello = events.next_of("hello").data;
    let seen: Vec<Event> = (0..2).map(|_| events.next_of("window")).collect();
    drop(events);
    run.send(minutes(4, 2));
    let id = seen[1].id.clone().unwrap();
    let mut events = Events::listen(address, Some(&id));
    assert_eq!(events.next_of("hello").data, hello);
    let next = events.next_of("window");
    let start_ms = |event: &Event| event.data["start_ms"].as_i64().unwrap();
    assert_eq!(start_ms(&next), start_ms(&seen[1]) + 60_000, "neither again nor left out");
    run.signal("INT");
    assert_eq!(events.next_of("end").data["how"], "stopped");
    drop(events);
    run.wait().assert_code(1);

    // The engine comes back at the same address, over another lake.
    let at = address.to_string();
    let args = ["run", "--dashboard", &at, "--input", "-", "--rollup", "none", "--lake", "second"];
    let mut run = place.start(&args);
    assert_eq!(run.dashboard(), address);
    run.send(minutes(0, 3));
    let mut events = Events::listen(address, Some(&id));
    assert_ne!(events.next_of("hello").data["run"], hello["run"]);
    assert_eq!(start_ms(&events.next_of("window")), start_ms(&seen[0]), "from the beginning");
    let run = run.close_stdin();
    assert_eq!(events.next_of("end").data["how"], "finished");
    run.wait().assert_code(0);
}

#[test]
fn with_a_token_nobody_looks_without_it() {
    let place = Workplace::new();
    let mut command = Command::new(TILLRACE);
    command.args(["run", "--rate", "50", "--dashboard", "0.0.0.0:0"]).env("TILLRACE_DASHBOARD_TOKEN", TOKEN);
    let run = place.start_command(command);
    let address = run.dashboard();
    let bearer = format!("Authorization: Bearer {TOKEN}");
    let cookie = format!("Cookie: tillrace_{}={TOKEN}", address.port());
    for path in ["/", "/api/v1/status", "/api/v1/stream", "/api/v1/tables/kpis_1m", "/nothing"] {
        for headers in [&[][..], &["Authorization: Bearer wrong-horse-battery-staple"], &["Cookie: tillrace=1"]] {
            let reply = get(address, path, headers).assert_status(401);
            assert!(!reply.body.contains(TOKEN) && reply.body.contains("a token is needed"), "{}", reply.body);
            assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer"));
        }
        get(address, &format!("{path}?token={TOKEN}x"), &[]).assert_status(401);
    }
    for header in [&bearer, &cookie] {
        get(address, "/api/v1/status", &[header, "Host: shop.example"]).assert_status(200);
        get(address, "/", &[header]).assert_status(200);
    }
    // A browser that brings it in the address keeps it as a cookie, and the address is clean again.
    let reply = get(address, &format!("/?token={TOKEN}"), &[]).assert_status(303);
    assert_eq!(reply.header("location"), Some("/"));
    let kept = reply.header("set-cookie").unwrap();
    assert_eq!(kept, format!("{}; Path=/; HttpOnly; SameSite=Strict", &cookie["Cookie: ".len()..]));
    get(address, &format!("/api/v1/status?token={TOKEN}"), &[]).assert_status(200);
    stop(run);
}

#[test]
fn an_address_that_cannot_be_had_is_refused_before_the_lake_is_touched() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let short = ["--dashboard", "127.0.0.1:0", "--dashboard-token", "short"];
    for (args, words) in [
        (
            &["--dashboard", "0.0.0.0:8080"][..],
            "--dashboard 0.0.0.0:8080: others than this machine could read the figures; set a token with --dashboard-token",
        ),
        (&["--dashboard", "8080"], "--dashboard 8080: expected an address and a port, like 127.0.0.1:8080"),
        (&["--dashboard", "192.0.2.1:8080", "--dashboard-token", TOKEN], "--dashboard 192.0.2.1:8080: "),
        (&["--dashboard", &taken], "expected an address of this machine with a free port, and port 0 takes any"),
        (&short, "--dashboard-token: a token has 16 to 256 letters, digits, - or _; this one has 5 characters"),
        (&["--dashboard-linger"], "--dashboard-linger needs --dashboard ADDR"),
        (&["--dashboard-token", TOKEN], "--dashboard-token needs --dashboard ADDR"),
    ] {
        let place = Workplace::new();
        let args: Vec<&str> = ["run", "--events", "10"].iter().chain(args).copied().collect();
        let done = place.tillrace(&args).assert_code(2).assert_says(&[words]);
        assert!(!place.lake().exists(), "{args:?}: {}", done.err);
    }
    drop(holder);
    // Nor does a lake that is refused leave anything listening.
    let place = Workplace::new();
    place.run(&["--events", "10"]);
    place
        .tillrace(&["run", "--events", "10", "--window", "30s", "--dashboard", "127.0.0.1:0"])
        .assert_code(2)
        .assert_says(&["was made with --window 1m, not --window 30s"]);
}

#[test]
fn without_a_token_other_names_and_other_sites_are_refused() {
    let place = Workplace::new();
    let (run, address) = start(&place, &["--rate", "50"]);
    let port = address.port();
    for host in [format!("localhost:{port}"), "127.0.0.1:9".to_owned(), format!("[::1]:{port}")] {
        get(address, "/api/v1/status", &[&format!("Host: {host}")]).assert_status(200);
    }
    for host in [format!("shop.example:{port}"), "localhost.shop.example".to_owned(), "10.0.0.1".to_owned()] {
        for path in ["/", "/api/v1/status", "/api/v1/stream"] {
            let reply = get(address, path, &[&format!("Host: {host}")]).assert_status(421);
            assert!(reply.body.contains("ask for it as localhost or 127.0.0.1"), "{}", reply.body);
        }
    }
    for path in ["/api/v1/status", "/api/v1/stream"] {
        get(address, path, &["Sec-Fetch-Site: cross-site"]).assert_status(403);
    }
    get(address, "/", &["Sec-Fetch-Site: cross-site"]).assert_status(200);
    get(address, "/api/v1/status", &["Sec-Fetch-Site: same-origin"]).assert_status(200);
    stop(run);
}

#[test]
fn names_that_look_like_markup_arrive_as_they_are_in_json() {
    let place = Workplace::new();
    let markup = "<script>alert(1)</script>";
    let fields =
        format!(r#""product_id":"{markup}","name":"{markup}\n\u2028</title>","category":"{markup}","price":1"#);
    let item = format!("{markup} 1 2.00 {markup}");
    let lines = [
        line("product", "p", 0.0, &fields),
        order_of("o", 1.0, "2.00", &[&item], ""),
        view("v", 75.0),
        line("product", "p2", 76.0, &fields),
        order_of("o2", 77.0, "2.00", &[&item], ""),
    ];
    place.write_lines("shop.jsonl", &lines);
    let (run, address) = start(&place, &["--input", "shop.jsonl", "--rollup", "none", "--dashboard-linger"]);
    let events: Vec<Event> = Events::listen(address, None).take_while(|event| event.name != "end").collect();
    let told = windows(&events)[1];
    assert_eq!(told["products"]["top"][0]["product_id"], markup);
    assert_eq!(told["products"]["top"][0]["name"], format!("{markup}\n\u{2028}</title>"));
    assert_eq!(told["categories"]["top"][0]["category"], markup);
    let reply = get(address, "/api/v1/tables/dim_product", &[]).assert_status(200);
    assert_eq!(reply.json()["rows"][0]["category"], markup);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    let asked = get(address, &format!("/api/v1/tables/{}", markup.replace('<', "%3C").replace('>', "%3E")), &[])
        .assert_status(404);
    assert_eq!(asked.header("content-type"), Some("application/json"));
    stop(run);
}

/// Sends bytes and reads whatever comes until the other end closes.
fn send_raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut connection = connect(address);
    // The other end may have closed before it has read all.
    let _ = connection.get_mut().write_all(bytes);
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn garbage_is_answered_or_cut_off_and_the_run_goes_on() {
    let place = Workplace::new();
    let (mut run, address) = start(&place, &["--rate", "50"]);
    let status = |answer: &str| answer.split(' ').nth(1).unwrap_or("nothing").to_owned();
    let host = "Host: localhost\r\n";
    let many_headers = "X: y\r\n".repeat(200);
    for (bytes, expected) in [
        (format!("GET / HTTP/1.1\r\n{host}X: {}\r\n\r\n", "y".repeat(100_000)), "431"),
        (format!("GET / HTTP/1.1\r\n{host}{many_headers}\r\n"), "431"),
        (format!("GET /{} HTTP/1.1\r\n{host}\r\n", "y".repeat(100_000)), "431"),
        ("\u{1}\u{2}\u{3}\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), "400"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "421"),
        (format!("GET http://shop.example/ HTTP/1.1\r\n{host}Connection: close\r\n\r\n"), "421"),
        (format!("POST / HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: 5\r\n\r\nhello"), "405"),
        (format!("DELETE /api/v1/status HTTP/1.1\r\n{host}Connection: close\r\n\r\n"), "405"),
        (format!("GET / HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 2\r\n\r\n"), "400"),
        (format!("GET / HTTP/1.1\r\n{host}Transfer-Encoding: chunked\r\n\r\nnot chunks\r\n"), "200"),
        (format!("GET /../../../../etc/passwd HTTP/1.1\r\n{host}Connection: close\r\n\r\n"), "404"),
        (format!("GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n{host}Connection: close\r\n\r\n"), "404"),
        (format!("GET /api/v1/tables/../../../etc HTTP/1.1\r\n{host}Connection: close\r\n\r\n"), "404"),
        (format!("GET /api/v1/tables/kpis_1m%00 HTTP/1.1\r\n{host}Connection: close\r\n\r\n"), "404"),
        (format!("GET /api/v1/tables/kpis_1m?from=%ff%fe HTTP/1.1\r\n{host}Connection: close\r\n\r\n"), "400"),
        (format!("GET / HTTP/1.0\r\n{host}\r\n"), "200"),
    ] {
        let answer = send_raw(address, bytes.as_bytes());
        assert_eq!(
            status(&answer),
            expected,
            "{:?} to {:?}",
            &answer[..answer.len().min(80)],
            &bytes[..bytes.len().min(80)]
        );
    }
    // Half requests, and connections that say nothing, are let go of.
    let half: Vec<_> = (0..80)
        .map(|n| {
            let mut connection = connect(address);
            if n % 2 == 0 {
                connection.get_mut().write_all(b"GET / HTTP/1.1\r\nHo").unwrap();
            }
            connection
        })
        .collect();
    let started = Instant::now();
    get(address, "/api/v1/status", &[]).assert_status(200);
    assert!(started.elapsed() < Duration::from_secs(25), "{:?}", started.elapsed());
    drop(half);
    // Two requests at once are answered in their order.
    let mut connection = connect(address);
    let two =
        format!("GET /api/v1/status HTTP/1.1\r\n{host}\r\nGET /nothing HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
    connection.get_mut().write_all(two.as_bytes()).unwrap();
    let answers: Vec<Reply> = (0..2).map(|_| read_reply(&mut connection, false).unwrap()).collect();
    assert_eq!(answers.iter().map(|reply| reply.status).collect::<Vec<_>>(), [200, 404]);
    assert!(connection.fill_buf().unwrap().is_empty(), "then it is closed");
    // So many may listen, and no more.
    let mut streams: Vec<Events> = (0..32).map(|_| Events::listen(address, None)).collect();
    let refused = get(address, "/api/v1/stream", &[]).assert_status(503);
    assert_eq!(refused.header("retry-after"), Some("5"));
    for events in &mut streams {
        assert_eq!(events.next_of("hello").data["source"], "sim");
    }
    drop(streams);
    eventually("they are gone", || get(address, "/api/v1/status", &[]).json()["readers"] == 0);
    assert!(run.is_running());
    stop(run);
}

#[test]
fn a_bounded_run_says_goodbye_and_ends_as_it_would_without_a_dashboard() {
    let place = Workplace::new();
    let (mut run, address) = start(&place, &["--input", "-", "--summary", "json"]);
    let mut events = Events::listen(address, None);
    events.next_of("hello");
    run.send(text(&[view("a", 0.0)]));
    let run = run.close_stdin();
    let end = events.next_of("end").data;
    assert_eq!((&end["how"], &end["error"], &end["status"]["accepted"]), (&"finished".into(), &Value::Null, &1.into()));
    let done = run.wait().assert_code(0);
    assert_eq!(done.json()["accepted"], 1);

    let place = Workplace::new();
    place.write("broken.jsonl.gz", [0x1f, 0x8b, 8, 0, 0]);
    let args = ["run", "--input", "broken.jsonl.gz", "--dashboard", "127.0.0.1:0", "--dashboard-linger"];
    let run = place.start(&args);
    let address = run.dashboard();
    let end = Events::listen(address, None).next_of("end").data;
    assert_eq!(end["how"], "failed", "{end}");
    assert!(end["error"].as_str().unwrap().contains("broken.jsonl.gz"), "{end}");
    run.signal("INT");
    run.wait().assert_code(1);
}

#[test]
fn lines_of_a_slow_pace_are_seen_before_their_window_closes() {
    let place = Workplace::new();
    let lines: Vec<String> = (0..2_000).map(|n| view(&format!("v{n}"), f64::from(n) / 100.0)).collect();
    place.write_lines("shop.jsonl", &lines);
    let (run, address) = start(&place, &["--input", "shop.jsonl", "--pace", "200"]);
    let mut events = Events::listen(address, None);
    let mut last = 0;
    for _ in 0..5 {
        let open = events.next_of("open");
        let Some(window) = open_figures(&open, 0) else { continue };
        let now = window["events"].as_u64().unwrap();
        assert!(now >= last);
        last = now;
    }
    assert!((1..2_000).contains(&last), "{last}");
    let status = events.next_of("status").data;
    assert!(status["records_per_second"].as_f64().unwrap() > 50.0, "{status}");
    assert_eq!(status["lag_ms"], Value::Null, "a file's time is not the clock's");
    run.signal("INT");
    run.wait().assert_code(1);
}

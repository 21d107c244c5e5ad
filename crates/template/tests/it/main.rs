//! Templates as they stand in public rule files and Alertmanager configs, and their hostile cousins.

use lapwing_template::functions::{NotificationFunctions, RuleFunctions};
use lapwing_template::{Escape, Functions, GoTime, RenderError, Source, TemplateSet, Value};
use proptest::prelude::*;

fn data() -> Value {
    Value::record(vec![
        (
            "Labels",
            Value::labels([("instance", "db:9100"), ("job", "node")]),
        ),
        ("Value", Value::Float(0.8512)),
        (
            "Items",
            Value::list(vec![Value::Int(1), Value::Int(2), Value::Int(3)]),
        ),
        ("Start", Value::Time(GoTime::from_ms(1_795_269_909_000))),
        ("Html", "<b>".into()),
    ])
}

fn render(text: &str, escape: Escape) -> Result<String, RenderError> {
    let query = |expr: &str| match expr {
        "up" => Ok(vec![
            (vec![("instance".to_owned(), "b".to_owned())], 1.0),
            (vec![("instance".to_owned(), "a".to_owned())], 0.0),
        ]),
        "none" => Ok(Vec::new()),
        other => Err(format!("bad query {other}")),
    };
    let functions = RuleFunctions {
        query: &query,
        external_url: "http://lapwing:9595/path",
    };
    TemplateSet::new().render(
        Source {
            name: "t",
            text,
            escape,
        },
        &data(),
        &functions,
    )
}

#[track_caller]
fn check(text: &str, expect: &str) {
    assert_eq!(render(text, Escape::None).as_deref(), Ok(expect), "{text}");
}

#[track_caller]
fn fails(text: &str, expect: &str) {
    let error = render(text, Escape::None).unwrap_err().to_string();
    assert!(error.contains(expect), "{text}: {error}");
}

#[test]
fn actions_pipelines_and_variables() {
    check("plain", "plain");
    check(
        "{{ .Labels.instance }} is {{ .Value | humanizePercentage }}",
        "db:9100 is 85.12%",
    );
    check("{{$l := .Labels}}{{ $l.job }}{{ $l.nothing }}", "node");
    check("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ end }}{{ $x }}", "2");
    check("{{ printf \"%.1f\" .Value }}", "0.9");
    check("{{ \"a\" | printf \"%s-%s\" \"b\" }}", "b-a");
    check("{{ (index .Items 1) }}{{ len .Items }}", "23");
    check(
        "{{ with .Labels }}{{ .job }}/{{ $.Value }}{{ end }}",
        "node/0.8512",
    );
    check("{{/* gone */}}x{{- /* too */ -}} y", "xy");
}

#[test]
fn control_flow_as_in_go() {
    check("{{ range .Items }}[{{ . }}]{{ end }}", "[1][2][3]");
    check(
        "{{ range $i, $x := .Items }}{{ if $i }}, {{ end }}{{ $x }}{{ end }}",
        "1, 2, 3",
    );
    check(
        "{{ range $k, $v := .Labels }}{{ $k }}={{ $v }};{{ end }}",
        "instance=db:9100;job=node;",
    );
    check(
        "{{ range .Items }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ if eq . 3 }}{{ break }}{{ end }}{{ . }}{{ end }}",
        "1",
    );
    check("{{ range query \"none\" }}x{{ else }}empty{{ end }}", "empty");
    check(
        "{{ if gt .Value 0.9 }}a{{ else if gt .Value 0.5 }}b{{ else }}c{{ end }}",
        "b",
    );
    check(
        "{{ if and .Labels.job (not .Labels.nothing) }}yes{{ end }}",
        "yes",
    );
    check(
        "{{ if gt .Value 0 }}int against float{{ end }}",
        "int against float",
    );
    check("a  {{- 1 -}}  b", "a1b");
    check(
        "{{ define \"x\" }}<{{ . }}>{{ end }}{{ template \"x\" 5 }}{{ block \"y\" 6 }}({{ . }}){{ end }}",
        "<5>(6)",
    );
    check(
        "{{ with $x := query \"none\" }}a{{ else with .Value }}{{ . }}{{ end }}",
        "0.8512",
    );
}

#[test]
fn functions_of_prometheus() {
    check("{{ with query \"up\" }}{{ . | first | value }}{{ end }}", "1");
    check(
        "{{ range query \"up\" | sortByLabel \"instance\" }}{{ .Labels.instance }}{{ .Value }} {{ end }}",
        "a0 b1 ",
    );
    check("{{ query \"up\" | first | label \"instance\" }}", "b");
    check(
        "{{ humanize 1234567.0 }} {{ humanize1024 1048576.0 }} {{ humanizeDuration 93784 }}",
        "1.235M 1Mi 1d 2h 3m 4s",
    );
    check(
        "{{ humanizeDuration 0.0123 }} {{ humanize 0.00123 }}",
        "12.3ms 1.23m",
    );
    check(
        "{{ humanizeTimestamp 1795269909.5 }}",
        "2026-11-21 14:05:09.5 +0000 UTC",
    );
    check(
        "{{ reReplaceAll \"(.*):.*\" \"$1\" .Labels.instance }} {{ match \"d.*\" \"db\" }}",
        "db true",
    );
    check(
        "{{ title \"high load\" }} {{ toUpper \"x\" }} {{ stripPort .Labels.instance }}",
        "High Load X db",
    );
    check(
        "{{ externalURL }}{{ pathPrefix }} {{ graphLink \"a b\" }}",
        "http://lapwing:9595/path/path /graph?g0.expr=a+b&g0.tab=0",
    );
    check("{{ with args 1 \"b\" }}{{ .arg0 }}{{ .arg1 }}{{ end }}", "1b");
    check(
        "{{ stripDomain \"a.b.c:80\" }} {{ parseDuration \"1h30m\" }}",
        "a:80 5400",
    );
}

#[test]
fn functions_of_alertmanager() {
    let functions = NotificationFunctions {
        now_ms: 1_795_269_969_000,
    };
    let check = |text: &str, expect: &str| {
        let result = TemplateSet::new().render(
            Source {
                name: "t",
                text,
                escape: Escape::None,
            },
            &data(),
            &functions,
        );
        assert_eq!(result.as_deref(), Ok(expect), "{text}");
    };
    check(
        "{{ .Start.Format \"2006-01-02\" }} {{ since .Start }}",
        "2026-11-21 1m0s",
    );
    check(
        "{{ .Start | tz \"Europe/Berlin\" | date \"15:04 MST\" }}",
        "15:05 CET",
    );
    check("{{ .Labels.SortedPairs.Values | join \" \" }}", "db:9100 node");
    check(
        "{{ range (.Labels.Remove (stringSlice \"job\")).SortedPairs }}{{ .Name }}={{ .Value }}{{ end }}",
        "instance=db:9100",
    );
    check("{{ toJson .Labels }}", r#"{"instance":"db:9100","job":"node"}"#);
    check("{{ humanizeDuration (since .Start) }}", "1m 0s");
}

/// What `amtool template render` of Alertmanager 0.33 prints for the same texts.
#[test]
fn prints_values_as_go_does() {
    check(
        "{{ 999999.0 }} {{ 1000000.0 }} {{ 1234567.8 }} {{ 0.0001 }} {{ 0.00001 }}",
        "999999 1e+06 1.2345678e+06 0.0001 1e-05",
    );
    check(
        "{{ printf \"%g %.3g %U %c\" 123456789.0 1234567.0 65 65 }}",
        "1.23456789e+08 1.23e+06 U+0041 A",
    );
    check(
        "{{ print 1 2 \"a\" \"b\" 3 4 }} {{ printf \"%5.1f|%x|%05d|%+d|%e\" 3.14159 255 7 7 12345.678 }}",
        "1 2ab3 4   3.1|ff|00007|+7|1.234568e+04",
    );
    check(
        "{{ len \"hé\" }} {{ slice \"abcdef\" 1 3 }} {{ js \"it's <b>\" }} {{ html \"<a href='x'>\" }}",
        "3 bc it\\'s \\u003Cb\\u003E &lt;a href=&#39;x&#39;&gt;",
    );
    check(
        "{{ 'a' }}{{ 0x1F }}{{ 1e3 }}{{ -5 }}{{ 1_000 }} {{ and 1 0 2 }} {{ or 0 \"\" \"x\" }}",
        "97311000-51000 0 x",
    );
    check("{{ .Labels }}", "map[instance:db:9100 job:node]");
    let kv = Value::kv([("b", "2"), ("a", "1")]);
    let functions = NotificationFunctions { now_ms: 0 };
    let source = Source {
        name: "t",
        text: "{{ . }} {{ .SortedPairs }} {{ .Names }}",
        escape: Escape::None,
    };
    let shown = TemplateSet::new().render(source, &kv, &functions);
    assert_eq!(shown.as_deref(), Ok("a=1, b=2 a=1, b=2 [a b]"));
}

#[test]
fn html_is_escaped_unless_declared_safe() {
    let html = |text: &str| render(text, Escape::Html).unwrap();
    assert_eq!(
        html("<i>{{ .Html }}</i>{{ .Html | safeHtml }}"),
        "<i>&lt;b&gt;</i><b>"
    );
}

#[test]
fn mistakes_are_named_with_their_line() {
    fails("a\n{{ nonsense 1 }}", "line 2: function \"nonsense\" not defined");
    fails("{{ .Nope }}", "can't evaluate field Nope");
    fails("{{ $x }}", "undefined variable $x");
    fails("{{ if .Value }}", "not closed");
    fails("{{ end }}", "unexpected {{end}}");
    fails("{{ .Value", "not closed");
    fails("{{ template \"ghost\" . }}", "\"ghost\" is not defined");
    fails("{{ query \"(\" }}", "error calling query: bad query (");
    fails("{{ break }}", "outside of a range");
    fails(
        "{{ define \"x\" }}{{ template \"x\" }}{{ end }}{{ template \"x\" }}",
        "nested templates",
    );
    fails("{{ range 2000 }}{{ range 2000 }}x{{ end }}{{ end }}", "steps");
    let functions = NotificationFunctions { now_ms: 0 };
    let error = TemplateSet::new().check("t", "{{ template \"ghost\" . }}", &functions);
    assert_eq!(
        error.unwrap_err().to_string(),
        "template \"ghost\" is not defined"
    );
    assert!(functions.has("toUpper") && !functions.has("query"));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(\\{\\{|\\}\\}|-| |\\.|\\$|[a-c\"`():=|,1-3]|if|end|range|else|define|with|é){0,24}") {
        let _ = render(&text, Escape::None);
        let _ = render(&format!("{{{{ {text} }}}}"), Escape::Html);
    }
}

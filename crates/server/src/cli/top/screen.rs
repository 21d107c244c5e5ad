//! The screen: models worst first, open alerts, hosts. Pure: facts in, cells out.
//!
//! A state is a word and a colour, never a colour alone. Texts from outside lose their control characters.

use super::facts::{Alert, Facts, Host, Model, is_failing, severity_rank};
use lapwing_chart::Unit;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table};

const DASH: &str = "–";
const SPARKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const SPARK_COLUMNS: usize = 24;

pub(super) fn draw(frame: &mut Frame<'_>, facts: Option<&Facts>, trouble: Option<&str>) {
    let area = frame.area();
    let (models, hosts) = facts.map_or((0, 0), |f| (f.models.len(), f.hosts.len()));
    let rows = |count: usize| (count.max(1) as u16).saturating_add(3);
    let [head, top, middle, bottom] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(rows(models)),
        Constraint::Min(4),
        Constraint::Length(rows(hosts)),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(headline(facts, trouble)), head);
    let Some(facts) = facts else { return };
    models_table(frame, top, &facts.models);
    alerts_table(frame, middle, &facts.alerts);
    hosts_table(frame, bottom, &facts.hosts);
}

fn headline(facts: Option<&Facts>, trouble: Option<&str>) -> Line<'static> {
    let mut spans = vec![Span::styled(
        "Lapwing ",
        Style::new().add_modifier(Modifier::BOLD),
    )];
    if let Some(facts) = facts {
        let firing = facts.alerts.iter().filter(|a| !a.is_suppressed).count();
        spans.push(Span::raw(format!("{}  {firing} firing", clean(&facts.server))));
    }
    match trouble {
        Some(trouble) => spans.push(Span::styled(
            format!("  {}; this is what was seen last", clean(trouble)),
            Style::new().fg(Color::Red),
        )),
        None => spans.push(Span::styled("  q ends", Style::new().fg(Color::DarkGray))),
    }
    Line::from(spans)
}

fn block(title: String) -> Block<'static> {
    Block::new().borders(Borders::TOP).title(title)
}

/// The title of a table, with how many of its rows do not fit.
fn titled(title: &str, count: usize, area: Rect) -> String {
    match count.saturating_sub(usize::from(area.height.saturating_sub(2))) {
        0 => format!(" {title} "),
        more => format!(" {title}; {more} more do not fit "),
    }
}

fn header(names: &[&'static str]) -> Row<'static> {
    let style = Style::new().fg(Color::DarkGray);
    Row::new(names.iter().map(|n| Cell::from(*n)).collect::<Vec<_>>()).style(style)
}

fn models_table(frame: &mut Frame<'_>, area: Rect, models: &[Model]) {
    let rows = models.iter().map(|model| {
        let (word, color) = match (model.is_failing, model.because.is_empty()) {
            (true, _) => ("failing", Color::Red),
            (false, false) => ("degraded", Color::Yellow),
            (false, true) => ("working", Color::Green),
        };
        Row::new(vec![
            Cell::from(word).style(Style::new().fg(color)),
            Cell::from(clean(&model.name)).style(Style::new().add_modifier(Modifier::BOLD)),
            Cell::from(
                model
                    .traffic
                    .map_or(DASH.to_owned(), |v| format!("{}/s", Unit::None.show(v))),
            ),
            Cell::from(sparks(&model.past)),
            Cell::from(model.errors.map_or(DASH.to_owned(), |v| Unit::Ratio.show(v))),
            Cell::from(model.p95_s.map_or(DASH.to_owned(), |v| Unit::Seconds.show(v))),
            Cell::from(clean(&model.because.join(", "))),
        ])
    });
    let widths = [
        Constraint::Length(9),
        Constraint::Length(20),
        Constraint::Length(10),
        Constraint::Length(SPARK_COLUMNS as u16),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Min(10),
    ];
    let table = Table::new(rows, widths)
        .header(header(&[
            "state",
            "model",
            "requests",
            "last hour",
            "errors",
            "p95",
            "because of",
        ]))
        .block(block(titled("models, worst first", models.len(), area)));
    frame.render_widget(table, area);
}

fn alerts_table(frame: &mut Frame<'_>, area: Rect, alerts: &[Alert]) {
    let rows = alerts.iter().map(|alert| {
        let color = match severity_rank(&alert.severity) {
            _ if is_failing(&alert.severity) => Color::Red,
            2 => Color::Yellow,
            _ => Color::Blue,
        };
        let note = if alert.is_suppressed {
            " (silenced or inhibited)"
        } else {
            ""
        };
        Row::new(vec![
            Cell::from(clean(&alert.severity)).style(Style::new().fg(color)),
            Cell::from(clean(&alert.name)),
            Cell::from(clean(&alert.about)),
            Cell::from(format!("{}{note}", clean(&alert.summary))),
        ])
    });
    let widths = [
        Constraint::Length(9),
        Constraint::Length(24),
        Constraint::Length(18),
        Constraint::Min(10),
    ];
    let table = Table::new(rows, widths)
        .header(header(&["severity", "alert", "about", "what"]))
        .block(block(titled("open alerts, worst first", alerts.len(), area)));
    frame.render_widget(table, area);
}

fn hosts_table(frame: &mut Frame<'_>, area: Rect, hosts: &[Host]) {
    let share = |v: Option<f64>| {
        v.map_or(DASH.to_owned(), |v| {
            format!("{} {}", meter(v), Unit::Ratio.show(v))
        })
    };
    let rows = hosts.iter().map(|host| {
        Row::new(vec![
            Cell::from(clean(&host.name)),
            Cell::from(share(host.cpu)),
            Cell::from(share(host.memory)),
            Cell::from(host.load.map_or(DASH.to_owned(), |v| Unit::None.show(v))),
        ])
    });
    let widths = [
        Constraint::Length(24),
        Constraint::Length(22),
        Constraint::Length(22),
        Constraint::Min(6),
    ];
    let table = Table::new(rows, widths)
        .header(header(&["host", "cpu", "memory", "load"]))
        .block(block(titled("hosts", hosts.len(), area)));
    frame.render_widget(table, area);
}

fn meter(share: f64) -> String {
    let filled = (share.clamp(0.0, 1.0) * 10.0).round() as usize;
    format!("{}{}", "█".repeat(filled), "░".repeat(10 - filled))
}

fn sparks(values: &[f64]) -> String {
    let shown = &values[values.len().saturating_sub(SPARK_COLUMNS)..];
    let most = shown
        .iter()
        .copied()
        .filter(|v| v.is_finite())
        .fold(0.0, f64::max);
    let spark = |v: &f64| match v {
        v if !v.is_finite() => ' ',
        v if most <= 0.0 => SPARKS[usize::from(*v > 0.0)],
        v => SPARKS[((v / most * 7.0).round().clamp(0.0, 7.0)) as usize],
    };
    shown.iter().map(spark).collect()
}

fn clean(text: &str) -> String {
    let is_hostile = |c: char| {
        c.is_control()
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
    };
    text.chars().filter(|c| !is_hostile(*c)).take(200).collect()
}

/// The cells as lines of text, without what is blank at their ends.
pub(super) fn text_of(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let mut out = String::new();
    for row in buffer.content.chunks(width) {
        let line: String = row.iter().map(|cell| cell.symbol()).collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn drawn(facts: Option<&Facts>, trouble: Option<&str>) -> String {
        let mut terminal = Terminal::new(TestBackend::new(110, 20)).expect("it never fails");
        terminal
            .draw(|frame| draw(frame, facts, trouble))
            .expect("it never fails");
        text_of(terminal.backend().buffer())
    }

    fn facts() -> Facts {
        Facts {
            server: "http://x".to_owned(),
            models: vec![Model {
                name: "chat\u{1b}[31m".to_owned(),
                is_failing: true,
                because: vec!["ChatSlow".to_owned()],
                traffic: Some(3.25),
                errors: Some(0.125),
                p95_s: None,
                past: vec![0.0, 1.0, f64::NAN, 2.0],
            }],
            alerts: vec![Alert {
                severity: "critical".to_owned(),
                name: "ChatSlow".to_owned(),
                about: "chat".to_owned(),
                summary: "it is slow".to_owned(),
                is_suppressed: true,
            }],
            hosts: vec![Host {
                name: "gpu-1".to_owned(),
                cpu: Some(0.5),
                ..Host::default()
            }],
        }
    }

    #[test]
    fn a_state_is_a_word_and_an_unknown_a_dash() {
        let text = drawn(Some(&facts()), None);
        for part in [
            "failing",
            "chat[31m",
            "3.25/s",
            "▁▅ █",
            "12.5 %",
            "ChatSlow",
            "it is slow (silenced",
            "█████░░░░░ 50 %",
            DASH,
        ] {
            assert!(text.contains(part), "{part}:\n{text}");
        }
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn alerts_that_do_not_fit_are_counted_and_an_emergency_is_red() {
        let mut many = facts();
        let alert = |i: usize| Alert {
            severity: "emergency".to_owned(),
            name: format!("alert {i}"),
            about: String::new(),
            summary: String::new(),
            is_suppressed: false,
        };
        many.alerts = (0..30).map(alert).collect();
        let mut terminal = Terminal::new(TestBackend::new(110, 20)).expect("it never fails");
        terminal
            .draw(|frame| draw(frame, Some(&many), None))
            .expect("it never fails");
        let buffer = terminal.backend().buffer();
        let text = text_of(buffer);
        let shown = text.matches("emergency").count();
        let said = format!("open alerts, worst first; {} more do not fit", 30 - shown);
        assert!(shown > 0 && text.contains(&said), "{text}");
        let at = text
            .lines()
            .position(|l| l.starts_with("emergency"))
            .expect("it is shown");
        assert_eq!(buffer[(0, at as u16)].fg, Color::Red);
    }

    #[test]
    fn a_lost_server_is_said_and_the_last_facts_stay() {
        let text = drawn(Some(&facts()), Some("cannot reach http://x"));
        assert!(
            text.contains("cannot reach http://x; this is what was seen last"),
            "{text}"
        );
        assert!(text.contains("failing"));
        assert!(drawn(None, Some("cannot reach")).contains("cannot reach"));
    }
}

//! `lapwing top`: the overview in a terminal, again every few seconds, until `q`.

mod facts;
mod screen;

use super::remote::ServerArgs;
use super::{Exit, complain};
use facts::{AskError, Facts};
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::{DefaultTerminal, Terminal};
use std::io::IsTerminal;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(crate) struct TopArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// Print one look and end; so it is where the output is no terminal
    #[arg(long)]
    once: bool,
}

/// One look without a terminal is as wide as a page of text and as long as it has to be.
const ONCE_COLUMNS: u16 = 120;
const ONCE_ROWS_MAX: u16 = 200;

pub(crate) fn run(args: &TopArgs) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&anyhow::Error::new(error).context("cannot start the runtime"));
            return Exit::Failed;
        }
    };
    let url = args.server.url();
    let ask = || runtime.block_on(facts::ask(&url, args.server.token()));
    if args.once || !std::io::stdout().is_terminal() {
        return match ask() {
            Ok(facts) => once(&facts),
            Err(error) => refused(error),
        };
    }
    let mut terminal = ratatui::init();
    let ended = watch(&mut terminal, Duration::from_secs(args.every), &ask);
    ratatui::restore();
    match ended {
        Ok(()) => Exit::Fine,
        Err(error) => {
            complain(&anyhow::Error::new(error).context("the terminal failed"));
            Exit::Failed
        }
    }
}

fn refused(error: AskError) -> Exit {
    let exit = match &error {
        AskError::Unreachable { .. } => Exit::Unreachable,
        AskError::Refused { .. } => Exit::Failed,
    };
    complain(&error.into());
    exit
}

/// The same screen, as text.
fn once(facts: &Facts) -> Exit {
    let rows =
        (facts.models.len() + facts.alerts.len() + facts.hosts.len() + 14).min(usize::from(ONCE_ROWS_MAX));
    let Ok(mut terminal) = Terminal::new(TestBackend::new(ONCE_COLUMNS, rows as u16));
    let Ok(_) = terminal.draw(|frame| screen::draw(frame, Some(facts), None));
    print!("{}", screen::text_of(terminal.backend().buffer()));
    if facts.models.iter().any(|m| m.is_failing) {
        Exit::Failed
    } else {
        Exit::Fine
    }
}

fn watch(
    terminal: &mut DefaultTerminal,
    every: Duration,
    ask: &dyn Fn() -> Result<Facts, AskError>,
) -> std::io::Result<()> {
    let mut last: Option<Facts> = None;
    loop {
        let trouble = match ask() {
            Ok(facts) => {
                last = Some(facts);
                None
            }
            // What was seen last stays on the screen, and the screen says so.
            Err(error) => Some(error.to_string()),
        };
        terminal.draw(|frame| screen::draw(frame, last.as_ref(), trouble.as_deref()))?;
        if wait(terminal, every, last.as_ref(), trouble.as_deref())? {
            return Ok(());
        }
    }
}

/// True when somebody wants to leave; any other key looks again at once.
fn wait(
    terminal: &mut DefaultTerminal,
    every: Duration,
    last: Option<&Facts>,
    trouble: Option<&str>,
) -> std::io::Result<bool> {
    while event::poll(every)? {
        match event::read()? {
            Event::Key(key) if key.kind == KeyEventKind::Press => {
                let is_break =
                    key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
                return Ok(is_break || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc));
            }
            Event::Resize(..) => {
                terminal.draw(|frame| screen::draw(frame, last, trouble))?;
            }
            _ => {}
        }
    }
    Ok(false)
}

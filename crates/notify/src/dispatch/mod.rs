//! Who must know, and when: pure (state, facts, now) → (state, notifications, decisions).
//!
//! The way of an alert: [`Dispatcher::apply_events`] or [`Dispatcher::apply_alerts`] takes it in (`intake`) and puts it
//! into groups by its routes; when a group's timer is due (`flush`), each alert is weighed (`suppress`: inhibition,
//! silences, time, cooldown, flapping), each channel of the receiver is asked whether it has to hear something new
//! (`dedupe`), and what has to be said becomes a delivery (`delivery`): a row that is synced before anything leaves and
//! that stays until a receiver took it or it is a dead letter.
//!
//! The engine's part of the contract:
//! 1. `due(now)` → notifications; 2. `take_batch()` → commit, synced; 3. only then send; 4. `outcome(..)`; 5. commit.
//!
//! So a crash between 2 and 4 sends again what may have been sent: at most once more per delivery in flight and crash.

mod ack;
mod cooldown;
mod dedupe;
mod delivery;
mod dispatcher;
mod escalate;
mod flap;
mod flush;
mod handover;
mod inhibition;
mod intake;
mod messages;
mod others;
mod outcome;
mod queue;
mod silence;
mod state;
mod storm;
mod suppress;
mod trace;
mod view;
mod withdraw;

pub use ack::{Ack, AckError};
pub use delivery::{Delivery, DeliveryStatus};
pub use dispatcher::{Dispatcher, Round, Wishes};
pub use handover::Handover;
pub use silence::{Silence, SilenceError, SilenceMatcher, SilenceState};
pub use state::DispatchState;
pub use trace::{
    InhibitRuleView, InhibitedView, MatcherView, RouteView, StepView, ToldView, Traced, Verdict, trace_route,
};
pub use view::{AlertFilter, AlertStatusView, AlertView, GroupView, ReceiverView, SilenceView};

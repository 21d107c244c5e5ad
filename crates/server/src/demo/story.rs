//! What goes wrong, and when; everything is told from the moment at which the demo was started.
//!
//! Pure: the same seed, start and time give the same numbers.

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: f64 = 24.0 * HOUR_MS as f64;

/// How long before the start the history begins.
pub(super) const HISTORY_MS: i64 = 24 * HOUR_MS;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Story {
    pub(crate) seed: u64,
    pub(crate) started_ms: i64,
}

/// The story at one instant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) t_ms: i64,
    story: Story,
}

impl Story {
    pub(crate) fn new(seed: u64, started_ms: i64) -> Self {
        Story { seed, started_ms }
    }

    pub(super) fn at(self, t_ms: i64) -> Moment {
        Moment { t_ms, story: self }
    }

    pub(crate) fn begins_ms(self) -> i64 {
        self.started_ms - HISTORY_MS
    }
}

impl Moment {
    fn since_start_ms(&self) -> i64 {
        self.t_ms - self.story.started_ms
    }

    /// Between these times, in minutes before (−) or after the start.
    fn within(&self, from_min: i64, to_min: i64) -> bool {
        (from_min * MINUTE_MS..to_min * MINUTE_MS).contains(&self.since_start_ms())
    }

    /// The chat engine answers several times slower: a long-context customer fills its batches. Nine hours ago.
    pub(super) fn chat_slowdown(&self) -> f64 {
        let minute = self.since_start_ms() as f64 / MINUTE_MS as f64;
        let (rise, fall) = (minute + 540.0, minute + 500.0);
        if rise < 0.0 || fall > 8.0 {
            1.0
        } else if fall > 0.0 {
            6.0 - fall * 0.6
        } else {
            1.0 + (rise / 6.0).min(1.0) * 5.0
        }
    }

    /// The reranker's engine takes requests and answers none, until it is restarted. Three hours ago.
    pub(super) fn rerank_is_wedged(&self) -> bool {
        self.within(-190, -168)
    }

    /// It was restarted: its counters begin anew.
    pub(super) fn rerank_restarts(&self, before: &Moment) -> bool {
        before.rerank_is_wedged() && !self.rerank_is_wedged()
    }

    /// GPU 2 fell off the bus (XID 79) and came back after a reset. Five hours ago.
    pub(super) fn gpu_is_lost(&self) -> bool {
        self.within(-305, -262)
    }

    /// The how-manieth rollout of the embedder this time belongs to.
    pub(super) fn embed_rollout(&self) -> i64 {
        (self.since_start_ms().div_euclid(MINUTE_MS) + 15).div_euclid(120)
    }

    /// The embedder answers with errors since a bad version was rolled out a quarter of an hour ago; rolled back half an
    /// hour later, and rolled out again every two hours.
    pub(super) fn embed_error_share(&self) -> f64 {
        let minute = self.since_start_ms().div_euclid(MINUTE_MS) + 15;
        let is_bad = minute >= 0 && minute % 120 < 45;
        if is_bad {
            0.14
        } else if self.gpu_is_lost() {
            0.03
        } else {
            0.002
        }
    }

    /// The KV cache of the chat engine fills and empties: above nine tenths four minutes out of twelve, since four hours.
    pub(super) fn cache_is_tight(&self) -> bool {
        let minute = self.since_start_ms().div_euclid(MINUTE_MS) + 240;
        minute >= 0 && minute % 12 < 4
    }

    /// Load of the day, 0.35 at the quietest hour and 1 at the busiest.
    pub(super) fn daylight(&self) -> f64 {
        let turn = (self.t_ms as f64 / DAY_MS).fract() * std::f64::consts::TAU;
        0.675 - 0.325 * (turn - 0.6).cos()
    }

    /// Smooth noise between −1 and 1 with this period, its own for each channel.
    pub(super) fn noise(&self, channel: u64, period_ms: i64) -> f64 {
        let cell = self.t_ms.div_euclid(period_ms);
        let inside = self.t_ms.rem_euclid(period_ms) as f64 / period_ms as f64;
        let smooth = inside * inside * (3.0 - 2.0 * inside);
        let (a, b) = (self.dice(channel, cell), self.dice(channel, cell + 1));
        a + (b - a) * smooth
    }

    /// A number between −1 and 1 out of seed, channel and cell.
    fn dice(&self, channel: u64, cell: i64) -> f64 {
        let mut x = self.story.seed ^ channel.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ cell.unsigned_abs();
        // The finaliser of splitmix64.
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
        (x >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_790_000_000_000;

    fn at(minute: i64) -> Moment {
        Story::new(7, START).at(START + minute * MINUTE_MS)
    }

    #[test]
    fn each_incident_begins_and_ends() {
        assert_eq!(at(-600).chat_slowdown(), 1.0);
        assert_eq!(at(-520).chat_slowdown(), 6.0);
        assert_eq!(at(-480).chat_slowdown(), 1.0);
        assert!(!at(-200).rerank_is_wedged() && at(-180).rerank_is_wedged() && !at(-150).rerank_is_wedged());
        assert!(at(-150).rerank_restarts(&at(-180)));
        assert!(at(-280).gpu_is_lost() && !at(-200).gpu_is_lost());
        assert!(at(-20).embed_error_share() < 0.05 && at(0).embed_error_share() > 0.05);
        assert!(at(40).embed_error_share() < 0.05, "it recovers while one watches");
    }

    #[test]
    fn noise_is_the_same_again_and_stays_in_its_bounds() {
        for minute in -1440..60 {
            let n = at(minute).noise(3, 7 * MINUTE_MS);
            assert!((-1.0..=1.0).contains(&n));
            assert_eq!(n.to_bits(), at(minute).noise(3, 7 * MINUTE_MS).to_bits());
        }
        let other = Story::new(8, START).at(START);
        assert_ne!(other.noise(3, 1000), at(0).noise(3, 1000));
    }
}

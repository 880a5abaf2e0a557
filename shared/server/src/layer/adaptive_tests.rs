use super::*;

const FLOOR: usize = 4;
const CEILING: usize = 1000;

/// A machine that carries some calls at once; more share what there is. Its clock is its own.
struct Machine {
    limit: Arc<AdaptiveLimit>,
    method: Arc<str>,
    now: Instant,
    carries: f64,
    call: Duration,
}

impl Machine {
    fn new(carries: f64) -> Self {
        let now = Instant::now();
        Self {
            limit: AdaptiveLimit::new(FLOOR, CEILING, now),
            method: "/a.B/C".into(),
            now,
            carries,
            call: Duration::from_millis(20),
        }
    }

    /// As many of the callers as are let in call at once, and all are answered; gives how many,
    /// and how many times longer than alone they took.
    fn round(&mut self, callers: usize) -> (usize, f64) {
        let running: Vec<_> = (0..callers).filter_map(|_| self.limit.begin(self.now)).collect();
        let slowdown = (running.len() as f64 / self.carries).max(1.0);
        self.now += self.call.mul_f64(slowdown);
        for call in &running {
            let _ = call.answered(&self.method, self.now);
        }
        (running.len(), slowdown)
    }

    fn rounds(&mut self, count: usize, callers: usize) -> Vec<(usize, f64)> {
        (0..count).map(|_| self.round(callers)).collect()
    }
}

#[test]
fn what_is_carried_is_let_in() {
    let mut machine = Machine::new(50.0);
    machine.rounds(100, 2);
    let all = machine.rounds(200, 50);
    assert!(all.iter().all(|(admitted, _)| *admitted == 50), "{all:?}");
    assert_eq!(machine.limit.limit(), CEILING);
}

#[test]
fn more_than_is_carried_slows_nobody_down_for_long() {
    let mut machine = Machine::new(50.0);
    machine.rounds(100, 2);
    // The first feel it.
    assert_eq!(machine.round(150), (150, 3.0));
    let overload = machine.rounds(500, 150);
    let slow = overload.iter().filter(|(_, slowdown)| *slowdown > SLOW + 0.2);
    // At each look the limit may be a step too high.
    assert!(slow.count() < 10, "{:?}", &overload[..100]);
    assert!(
        overload.iter().all(|(admitted, _)| *admitted >= 50),
        "what is carried is still let in: {:?}",
        &overload[..100]
    );
    // It is over, and forgotten.
    machine.rounds(100, 40);
    assert_eq!(machine.round(300).0, 300);
}

#[test]
fn a_few_are_always_let_in_and_what_became_slow_becomes_usual() {
    let mut machine = Machine::new(50.0);
    machine.rounds(100, 2);
    // Not for the load: all calls take longer from now on.
    machine.call = Duration::from_millis(200);
    let after = machine.rounds(500, 40);
    assert!(after.iter().all(|(admitted, _)| *admitted >= FLOOR), "{after:?}");
    assert_eq!(machine.limit.limit(), CEILING, "{after:?}");
}

#[test]
fn a_method_is_compared_with_itself() {
    let machine = Machine::new(1.0);
    let mut now = machine.now;
    for _ in 0..1000 {
        for (method, millis) in [("/a.B/Quick", 2), ("/a.B/Slow", 300)] {
            let call = machine.limit.begin(now).unwrap();
            now += Duration::from_millis(millis);
            let _ = call.answered(&method.into(), now);
        }
    }
    assert_eq!(machine.limit.limit(), CEILING);
}

#[test]
fn places_come_back() {
    let limit = AdaptiveLimit::new(1, 2, Instant::now());
    let begin = || limit.begin(Instant::now());
    let (first, _second) = (begin().unwrap(), begin().unwrap());
    assert!(begin().is_none());
    drop(first);
    assert!(begin().is_some());
}

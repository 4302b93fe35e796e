//! Asking nodes which requests came lately. The fleet knows whom to ask; each node's stream carries the question.

use super::{Fleet, Membership};
use penstock_model::id::NodeId;
use tokio::sync::{mpsc, oneshot};

/// Questions to one node that wait for its stream, and that are open on it; further ones are not asked.
pub const QUESTIONS_MAX: usize = 4;
/// Longest line that is taken from a node, in bytes of method, host and path together.
pub const LINE_BYTES_MAX: usize = 4 * 1024;

/// A question, and where its answer goes. Whoever asked has given up when that is closed.
#[derive(Debug)]
pub struct Question {
    /// Lines that are wanted at most.
    pub lines_max: u32,
    /// For the answer.
    pub answer: oneshot::Sender<Recent>,
}

/// A request line as a node says it, bounded, and not yet looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecentLine {
    /// That the route was looked for with.
    pub method: String,
    /// With a port if the client named one.
    pub host: String,
    /// Without the query.
    pub path: String,
    /// That had this line.
    pub requests: u64,
}

/// What a node answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recent {
    /// At most as many as were wanted.
    pub lines: Vec<RecentLine>,
    /// Requests with lines beyond that.
    pub left_out: u64,
    /// Requests since the node's start whose lines were too long to be remembered.
    pub too_long: u64,
}

/// A node, as one who asks sees it.
#[derive(Debug)]
pub enum Asked {
    /// Its stream is open, and carries the question. An end of this without an answer is a silence.
    Waiting(oneshot::Receiver<Recent>),
    /// Its stream is open, but there are too many questions on it.
    Busy,
    /// It remembers no requests: it is switched off, or the program is older.
    Cannot,
}

impl Fleet {
    /// Asks every node whose stream is open for as many lines, ordered by id.
    pub fn ask_recent(&self, lines_max: impl Fn(usize) -> u32) -> Vec<(NodeId, Asked)> {
        let nodes = self.lock();
        let lines_max = lines_max(nodes.connected);
        let connected = nodes.entries.values().filter(|entry| entry.state.connected);
        let mut asked: Vec<_> = connected
            .map(|entry| {
                let (answer, answered) = oneshot::channel();
                let asked = match entry.questions.as_ref().map(|to| to.try_send(Question { lines_max, answer })) {
                    Some(Ok(())) => Asked::Waiting(answered),
                    Some(Err(_)) => Asked::Busy,
                    None => Asked::Cannot,
                };
                (entry.state.id.clone(), asked)
            })
            .collect();
        drop(nodes);
        asked.sort_by(|(a, _), (b, _)| a.cmp(b));
        asked
    }
}

impl Membership {
    /// The questions for this node, once. A node that cannot be asked gets none.
    pub fn take_questions(&mut self) -> mpsc::Receiver<Question> {
        let (_, none) = mpsc::channel(1);
        std::mem::replace(&mut self.questions, none)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Joining;
    use super::*;
    use std::sync::Arc;

    fn joining(id: &str, answers_recent: bool) -> Joining {
        Joining { id: id.into(), answers_recent, ..Joining::default() }
    }

    #[tokio::test]
    async fn nodes_that_can_are_asked_and_the_others_are_named() {
        let fleet = Arc::new(Fleet::default());
        let mut can = fleet.join(joining("b", true), 0).unwrap();
        let _cannot = fleet.join(joining("a", false), 0).unwrap();
        drop(fleet.join(joining("c", true), 0).unwrap());
        let mut questions = can.take_questions();

        let asked = fleet.ask_recent(|nodes| u32::try_from(10 / nodes).unwrap());
        let [(a, Asked::Cannot), (b, Asked::Waiting(_))] = &asked[..] else { panic!("{asked:?}") };
        assert_eq!((a.as_str(), b.as_str()), ("a", "b"));
        assert_eq!(questions.recv().await.unwrap().lines_max, 5);

        let all: Vec<_> = (0..=QUESTIONS_MAX).map(|_| fleet.ask_recent(|_| 1).pop().unwrap().1).collect();
        let busy = all.iter().map(|asked| matches!(asked, Asked::Busy)).collect::<Vec<_>>();
        assert_eq!(busy, [false, false, false, false, true]);

        drop(can);
        let left = fleet.ask_recent(|_| 1);
        assert!(matches!(&left[..], [(a, Asked::Cannot)] if a.as_str() == "a"), "{left:?}");
    }
}

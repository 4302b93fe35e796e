//! [`Answering`]: tells a control plane which requests came lately. Beside the subscription, since nothing that serves
//! depends on it.

use crate::limits::{RECENT_ANSWER_LINES_MAX, RECENT_MESSAGE_BYTES};
use crate::recent::{Line, Recent, RecentRequests};
use penstock_proto::discovery::v1 as wire;
use tokio::task::JoinSet;
use wire::control_message::Kind as FromControl;
use wire::node_message::Kind as FromNode;

/// Questions that are answered at a time; further ones are not, and who asks gives up by itself.
const QUESTIONS_MAX: usize = 4;

/// The questions of one stream. Dropping it forgets them.
#[derive(Debug, Default)]
pub(super) struct Answering {
    tasks: JoinSet<Vec<wire::NodeMessage>>,
}

impl Answering {
    /// Begins to answer, if this is a question.
    pub(super) fn hear(&mut self, message: &wire::ControlMessage, recent: &RecentRequests) {
        let Some(FromControl::AskRecentRequests(question)) = &message.kind else { return };
        if self.tasks.len() >= QUESTIONS_MAX {
            tracing::warn!("a control plane asks for recent requests faster than it is answered");
            return;
        }
        let (recent, question) = (recent.clone(), *question);
        self.tasks.spawn(async move {
            let lines_max = RECENT_ANSWER_LINES_MAX.min(question.lines_max as usize);
            messages(question.question, recent.ask(lines_max).await)
        });
    }

    /// Waits for the next answer; without a question, for ever. Cancelling it loses nothing.
    pub(super) async fn answered(&mut self) -> Vec<wire::NodeMessage> {
        match self.tasks.join_next().await {
            Some(answer) => answer.unwrap_or_default(),
            None => std::future::pending().await,
        }
    }
}

/// An answer, in messages that a control plane takes.
fn messages(question: u64, recent: Recent) -> Vec<wire::NodeMessage> {
    let empty = || wire::RecentRequests { question, ..wire::RecentRequests::default() };
    let (mut messages, mut message, mut bytes) = (Vec::new(), empty(), 0);
    for (Line { method, host, path }, requests) in recent.lines {
        if bytes >= RECENT_MESSAGE_BYTES {
            messages.push(std::mem::replace(&mut message, empty()));
            bytes = 0;
        }
        bytes += method.len() + host.len() + path.len();
        message.lines.push(wire::RequestLine { http_method: method, host, path, requests });
    }
    message.last = true;
    message.requests_left_out = recent.left_out;
    message.requests_too_long = recent.too_long;
    messages.push(message);
    let said = |message| wire::NodeMessage { kind: Some(FromNode::RecentRequests(message)) };
    messages.into_iter().map(said).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: usize, path_bytes: usize) -> Vec<wire::RecentRequests> {
        let line = |number: usize| {
            let path = format!("/{number:0width$}", width = path_bytes - 1);
            (Line { method: String::new(), host: String::new(), path }, 1)
        };
        let recent = Recent { lines: (0..lines).map(line).collect(), left_out: 5, too_long: 6 };
        let kinds = messages(7, recent).into_iter().map(|message| message.kind);
        kinds
            .map(|kind| if let Some(FromNode::RecentRequests(part)) = kind { part } else { panic!("{kind:?}") })
            .collect()
    }

    #[test]
    fn an_answer_without_lines_is_one_message() {
        let [only] = &told(0, 2)[..] else { panic!("one") };
        assert_eq!((only.question, only.last, only.requests_left_out, only.requests_too_long), (7, true, 5, 6));
    }

    #[test]
    fn many_lines_are_several_messages_and_only_the_last_says_so() {
        let line = 1024;
        let parts = told(RECENT_MESSAGE_BYTES / line + 1, line);
        let found: Vec<_> = parts.iter().map(|part| (part.lines.len(), part.last, part.requests_left_out)).collect();
        assert_eq!(found, [(RECENT_MESSAGE_BYTES / line, false, 0), (1, true, 5)]);
        assert!(parts.iter().all(|part| part.question == 7));
    }
}

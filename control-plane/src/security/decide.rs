//! The decision about one call: a pure function of the policy, the connection and what the call presents.

use super::Peer;
use super::access_file::AccessFile;
use crate::app::Role;
use penstock_link::TokenHash;

/// Who calls when nobody is asked for.
const ANONYMOUS: &str = "anonymous";
/// Who comes with a join token.
const JOINED: &str = "node";

/// What a call needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Permission {
    /// Nothing: anybody may ask whether the process is well.
    Open,
    /// To be somebody.
    Known,
    /// To be a node.
    Subscribe,
    /// To be a viewer.
    Read,
    /// To be an editor.
    Write,
    /// To be an admin.
    Administer,
}

/// What a call came with.
#[derive(Debug)]
pub(super) enum Credential {
    None,
    Token(TokenHash),
    /// An `authorization` that is no bearer token.
    Unreadable,
}

impl Credential {
    /// Reads the value of `authorization`.
    pub(super) fn read(value: Option<&http::HeaderValue>) -> Self {
        let Some(value) = value else { return Self::None };
        let parts = value.to_str().ok().and_then(|text| text.split_once(' '));
        match parts {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
                Self::Token(TokenHash::of(token.trim()))
            }
            _ => Self::Unreadable,
        }
    }
}

/// Which of two ways a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Nobody knows who it is.
    Unauthenticated,
    /// It is known, and may not.
    PermissionDenied,
}

/// A refusal, with what to do about it. Says nothing that the caller presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Denied {
    pub(crate) code: Code,
    pub(crate) text: String,
}

/// What the files say at one moment.
pub(super) struct Policy<'a> {
    pub(super) access: Option<&'a AccessFile>,
    pub(super) join: Option<&'a [TokenHash]>,
    pub(super) trust_network: bool,
}

impl Policy<'_> {
    /// The identity that calls and its role, if that is enough.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub(super) fn admit(
        &self,
        permission: Permission,
        peer: &Peer,
        credential: Credential,
        rpc: &str,
    ) -> Result<(String, Role), Denied> {
        if permission == Permission::Open {
            return Ok((ANONYMOUS.to_owned(), Role::Viewer));
        }
        match self.identify(peer, credential)? {
            Some((identity, role)) if permits(role, permission) => Ok((identity, role)),
            Some((identity, role)) => Err(forbidden(&identity, role, permission, rpc)),
            None if self.is_open_to_anonymous(peer, permission) => Ok((ANONYMOUS.to_owned(), Role::Admin)),
            None => Err(unauthenticated(self.who_is_asked_for(permission))),
        }
    }

    /// Who it is, by token first: it was sent with this call. What is presented and wrong is never passed over.
    fn identify(&self, peer: &Peer, credential: Credential) -> Result<Option<(String, Role)>, Denied> {
        let takes_tokens = self.access.is_some() || self.join.is_some();
        match credential {
            Credential::Token(token) if takes_tokens => {
                return self.by_token(&token).map(Some).ok_or_else(|| {
                    unauthenticated("the token is not known here, or not any more: ask for a valid one")
                });
            }
            Credential::Unreadable if takes_tokens => {
                return Err(unauthenticated("the metadata `authorization` must be `Bearer TOKEN`"));
            }
            // Where no token is asked for, one that is sent all the same says nothing.
            Credential::Token(_) | Credential::Unreadable | Credential::None => {}
        }
        let Some((names, access)) = peer.certificate.as_ref().zip(self.access) else { return Ok(None) };
        match access.by_certificate(names) {
            Some(identity) => Ok(Some((identity.name.clone(), identity.role))),
            None => Err(unauthenticated(format!(
                "the certificate ({names}) belongs to no identity of the control plane's access file: add it there"
            ))),
        }
    }

    fn by_token(&self, token: &TokenHash) -> Option<(String, Role)> {
        let identity = self.access.and_then(|access| access.by_token(token));
        let identity = identity.map(|identity| (identity.name.clone(), identity.role));
        let joins = self.join.unwrap_or_default().iter().fold(false, |joins, valid| valid.matches(token) | joins);
        identity.or_else(|| joins.then(|| (JOINED.to_owned(), Role::Node)))
    }

    /// Without any setting this machine is trusted, and the network where somebody said so.
    fn is_open_to_anonymous(&self, peer: &Peer, permission: Permission) -> bool {
        let is_near = peer.address.is_some_and(|address| address.ip().to_canonical().is_loopback());
        match (self.access, self.join) {
            (Some(_), _) => false,
            // Nodes have their token then; who manages must be on this machine, as nobody far away can be known.
            (None, Some(_)) => is_near && permission != Permission::Subscribe,
            (None, None) => is_near || self.trust_network,
        }
    }

    fn who_is_asked_for(&self, permission: Permission) -> String {
        match (permission, self.access) {
            (Permission::Subscribe, _) => {
                "nodes must say who they are: start this one with --join-token-file, or with \
                                           --control-plane-certificate and --control-plane-key"
                    .to_owned()
            }
            (_, None) => {
                "this control plane takes management calls only from its own machine: give it an --access-file \
                          that says who may call from elsewhere"
                    .to_owned()
            }
            (_, Some(_)) => {
                "callers must say who they are: send a token (--token-file, or the metadata `authorization: \
                             Bearer TOKEN`) or a client certificate (--control-plane-certificate, --control-plane-key)"
                    .to_owned()
            }
        }
    }
}

fn permits(role: Role, permission: Permission) -> bool {
    match permission {
        Permission::Open | Permission::Known => true,
        Permission::Subscribe => matches!(role, Role::Node),
        Permission::Read => matches!(role, Role::Viewer | Role::Editor | Role::Admin),
        Permission::Write => matches!(role, Role::Editor | Role::Admin),
        Permission::Administer => matches!(role, Role::Admin),
    }
}

fn unauthenticated(text: impl Into<String>) -> Denied {
    Denied { code: Code::Unauthenticated, text: text.into() }
}

fn forbidden(identity: &str, role: Role, permission: Permission, rpc: &str) -> Denied {
    let text = match (role, permission) {
        (Role::Node, _) => {
            format!("{identity:?} is a node, and nodes may only subscribe: call {rpc} as a management caller")
        }
        (_, Permission::Subscribe) => format!(
            "{identity:?} is {role}, and management callers may not subscribe: nodes join with a join token, or with an \
             identity of the role node"
        ),
        (_, Permission::Write) => needs(identity, role, rpc, Role::Editor),
        (_, Permission::Administer) => needs(identity, role, rpc, Role::Admin),
        // Every other role may these.
        (_, Permission::Open | Permission::Known | Permission::Read) => needs(identity, role, rpc, Role::Viewer),
    };
    Denied { code: Code::PermissionDenied, text }
}

fn needs(identity: &str, role: Role, rpc: &str, needed: Role) -> String {
    format!(
        "{identity:?} is {role}, and {rpc} needs the role {needed}: call as somebody who has it, or have it given in the \
         access file"
    )
}

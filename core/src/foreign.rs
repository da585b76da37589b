//! Tokens of other issuers than a SPIFFE authority, told by what they claim. They
//! turn up where a JWT-SVID belongs: the variable that names a token file is that
//! of OpenAI's own guides for Kubernetes and for clouds, too.

use crate::jwt::Jwt;

/// Whose token it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    KubernetesServiceAccount,
    GitHubActions,
    GitLab,
    Google,
    Entra,
    Aws,
    /// What a JWT-SVID is exchanged for.
    OpenAi,
}

impl Foreign {
    /// None of a JWT-SVID, and of a token of which nothing is known.
    pub(crate) fn of(jwt: &Jwt) -> Option<Self> {
        let sub = jwt.sub.as_deref()?;
        let iss = jwt.iss.as_deref().unwrap_or_default();
        // SPIRE can stand behind an issuer of any name.
        if sub.starts_with("spiffe:") {
            return None;
        }
        // Clusters have issuers of any name, those of clouds among them: their
        // tokens are told by whom they are for (KEP-1205).
        if sub.starts_with("system:serviceaccount:") {
            return Some(Self::KubernetesServiceAccount);
        }
        // Google leaves the scheme out in older tokens.
        let host = iss.strip_prefix("https://").unwrap_or(iss);
        let host = host.split(['/', ':']).next().unwrap_or_default();
        let is_under = |domain: &str| {
            let before = host.strip_suffix(domain);
            before.is_some_and(|it| it.is_empty() || it.ends_with('.'))
        };
        Some(match host {
            "token.actions.githubusercontent.com" => Self::GitHubActions,
            "auth.openai.com" => Self::OpenAi,
            "accounts.google.com" => Self::Google,
            "login.microsoftonline.com" | "sts.windows.net" => Self::Entra,
            // A runner of GitHub's enterprise servers names its own host.
            _ if sub.starts_with("repo:") => Self::GitHubActions,
            _ if is_under("gitlab.com") || sub.starts_with("project_path:") => Self::GitLab,
            _ if is_under("amazonaws.com") || is_under("api.aws") || sub.starts_with("arn:aws") => {
                Self::Aws
            }
            _ => return None,
        })
    }

    /// Reads on from "it is".
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::KubernetesServiceAccount => "a Kubernetes service-account token",
            Self::GitHubActions => "an ID token of GitHub Actions",
            Self::GitLab => "an ID token of GitLab CI",
            Self::Google => "a Google ID token",
            Self::Entra => "a token of Microsoft Entra ID (Azure)",
            Self::Aws => "a token of AWS",
            Self::OpenAi => "a token that OpenAI issued",
        }
    }

    /// What becomes of such a token elsewhere.
    pub(crate) fn use_instead(self) -> &'static str {
        match self {
            Self::OpenAi => "svidex exchanges JWT-SVIDs for such tokens: it takes none",
            _ => {
                "svidex exchanges JWT-SVIDs alone; OpenAI's SDKs can exchange this token without \
                 it"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(iss: &str, sub: &str) -> Option<Foreign> {
        let text = |text: &str| Some(text.to_owned()).filter(|it| !it.is_empty());
        Foreign::of(&Jwt {
            alg: None,
            kid: None,
            typ: None,
            iss: text(iss),
            sub: text(sub),
            aud: Vec::new(),
            exp: None,
            iat: None,
            nbf: None,
        })
    }

    #[test]
    fn tokens_are_told_by_whom_they_come_from_and_are_for() {
        use Foreign::*;
        let pod = "system:serviceaccount:inference:worker";
        for (iss, sub, expected) in [
            (
                "https://kubernetes.default.svc",
                pod,
                Some(KubernetesServiceAccount),
            ),
            (
                "https://oidc.eks.eu-west-1.amazonaws.com/id/ABCDEF",
                pod,
                Some(KubernetesServiceAccount),
            ),
            ("", pod, Some(KubernetesServiceAccount)),
            (
                "https://token.actions.githubusercontent.com",
                "repo:me/mine:ref:refs/heads/main",
                Some(GitHubActions),
            ),
            (
                "https://token.actions.githubusercontent.com/my-enterprise",
                "x",
                Some(GitHubActions),
            ),
            (
                "https://ghe.example/_services/token",
                "repo:a/b:ref:c",
                Some(GitHubActions),
            ),
            (
                "https://gitlab.com",
                "project_path:a/b:ref_type:branch",
                Some(GitLab),
            ),
            (
                "https://git.example",
                "project_path:a/b:ref_type:branch",
                Some(GitLab),
            ),
            ("https://accounts.google.com", "1234567890", Some(Google)),
            ("accounts.google.com", "1234567890", Some(Google)),
            (
                "https://login.microsoftonline.com/tenant/v2.0",
                "x",
                Some(Entra),
            ),
            ("https://sts.windows.net/tenant/", "x", Some(Entra)),
            (
                "https://cognito-idp.eu-west-1.amazonaws.com/pool",
                "x",
                Some(Aws),
            ),
            (
                "https://1234.tokens.sts.global.api.aws",
                "arn:aws:iam::1:role/x",
                Some(Aws),
            ),
            ("https://auth.openai.com/", "user-1", Some(OpenAi)),
            // A SPIFFE authority may have any issuer.
            (
                "https://accounts.google.com",
                "spiffe://example.org/worker",
                None,
            ),
            ("https://oidc.example.org", "worker", None),
            ("https://notgitlab.com", "worker", None),
            ("https://gitlab.com.example.org", "worker", None),
            ("", "worker", None),
            ("https://accounts.google.com", "", None),
        ] {
            assert_eq!(of(iss, sub), expected, "{iss} {sub}");
        }
    }
}

"""The main job: who we are, and the access token."""

import svidex

with svidex.Provider.from_env() as provider:
    token = provider.access_token()
    print(provider.status().spiffe_id, token)

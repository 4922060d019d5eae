# Copyright (c) 2026, meshops.istio contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options that name one cluster and log in to it; shared by all modules of meshops.istio."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation fragment meshops.istio.auth."""

    DOCUMENTATION = r"""
options:
  kubeconfig:
    description:
      - File that holds the connection to the cluster. It needs O(context) beside it.
      - Give either this option or O(host). Without one of them the task fails. No current context and no surrounding
        cluster is used instead.
      - Login, certificates and proxy have to stand in the file, because C(istioctl) reads it too. Of the options below,
        only O(impersonate_user) and O(impersonate_groups) can be given beside it.
      - Embedded keys are never written to a file. What a credential plugin (C(exec)) gives is renewed before it ends,
        and once where the API server accepts it no longer; one that fails, or takes more than 60 seconds, fails the
        task with its own words.
      - Falls back to E(K8S_AUTH_KUBECONFIG). E(KUBECONFIG) is not read.
    type: path
  context:
    description:
      - Context in O(kubeconfig). Required with that option, because the current context is never used.
      - Falls back to E(K8S_AUTH_CONTEXT).
    type: str
  host:
    description:
      - URL of the API server, instead of O(kubeconfig) and O(context).
      - Log in by O(api_key), by O(username) and O(password), or by O(client_cert) and O(client_key). A login in the URL
        is refused, because the URL is shown. A login over C(http) to another machine is warned of.
      - Falls back to E(K8S_AUTH_HOST).
    type: str
  api_key:
    description:
      - Bearer token, such as that of a service account.
      - Falls back to E(K8S_AUTH_API_KEY).
    type: str
  username:
    description:
      - User name for basic authentication, with O(password). Few API servers still accept it.
      - Falls back to E(K8S_AUTH_USERNAME).
    type: str
  password:
    description:
      - Password for basic authentication, with O(username).
      - Falls back to E(K8S_AUTH_PASSWORD).
    type: str
  client_cert:
    description:
      - File with a client certificate, with O(client_key).
      - Falls back to E(K8S_AUTH_CERT_FILE).
    type: path
    aliases: [cert_file]
  client_key:
    description:
      - File with the private key of O(client_cert).
      - Falls back to E(K8S_AUTH_KEY_FILE).
    type: path
    aliases: [key_file]
  ca_cert:
    description:
      - File with the CA certificates that the API server's certificate is verified by.
      - Falls back to E(K8S_AUTH_SSL_CA_CERT).
    type: path
    aliases: [ssl_ca_cert]
  validate_certs:
    description:
      - Whether the API server's certificate is verified. V(false) is possible with O(host) only.
      - With V(false) every run warns, because anybody could answer for the API server.
      - Falls back to E(K8S_AUTH_VERIFY_SSL).
    type: bool
    default: true
    aliases: [verify_ssl]
  proxy:
    description:
      - URL of a proxy between the task and the API server. With C(socks5) the Python library C(PySocks) is needed.
      - A user and password in it are hidden in all that is shown. Special characters of a password are written with
        percent signs, such as C(%2F) for a slash.
      - Falls back to E(K8S_AUTH_PROXY).
    type: str
  impersonate_user:
    description:
      - User to act as. The login itself needs the right to impersonate.
      - Falls back to E(K8S_AUTH_IMPERSONATE_USER).
    type: str
  impersonate_groups:
    description:
      - Groups to act as a member of, with O(impersonate_user).
      - Falls back to E(K8S_AUTH_IMPERSONATE_GROUPS).
    type: list
    elements: str
  expected_cluster_id:
    description:
      - UID of the namespace C(kube-system), which identifies a cluster for its lifetime.
      - If it is given and the cluster has another one, the task fails before its first write.
      - Read it once with M(meshops.istio.istio_info), which returns it as
        RV(meshops.istio.istio_info#module:cluster.id), and keep it in the inventory.
    type: str
  istio_namespace:
    description:
      - Namespace of the control planes.
    type: str
    default: istio-system
  run:
    description:
      - The run of a playbook that the task is a part of. The first write of the run locks the cluster by the Lease
        C(meshops-istio-run) in O(istio_namespace), and M(meshops.istio.istio_run_record) unlocks it at the end.
      - Another run fails at once then and names the holder. A lock is renewed until the run ends, between its tasks
        too if they run on the controller. Where the processes of a holder are proven to be gone, the next run takes
        its lock at once, else once it has run out.
      - What the run did is kept in the ConfigMap of the same name. M(meshops.istio.istio_info) returns both.
      - Without this option a task that writes locks the cluster for as long as it works. Where its user may not, it
        goes on with a warning. It too refuses to write to a cluster that is locked by others.
    type: dict
    suboptions:
      started_by:
        description:
          - Who runs. By default the user and the name of the machine.
        type: str
      job:
        description:
          - Number of the job that runs the playbook, such as that of AWX.
        type: str
      strategy:
        description:
          - What the run does, such as V(canary).
        type: str
      version:
        description:
          - Istio version that the run leads to.
        type: str
      revision:
        description:
          - Revision that the run leads to.
        type: str
      request_digest:
        description:
          - A digest of all that decides what the run leads to. A later run with the same one is told by
            RV(meshops.istio.istio_info#module:up_to_date) whether it would find nothing to do.
        type: str
      undoes:
        description:
          - For a rollback, the run that it undoes. By default the last one that was no rollback.
        type: str
      phase:
        description:
          - Part of the run that the task belongs to.
        type: str
      lock_seconds:
        description:
          - How long the lock outlives a run that nobody can prove to be dead.
        type: int
        default: 300
      break_lock:
        description:
          - Holder whose lock is taken although it has not run out. Only for a run that is known to be dead.
        type: str
requirements:
  - python >= 3.12
  - kubernetes >= 31
  - PyYAML
notes:
  - The modules of this collection talk to the API server from where the task runs. Use C(connection=local) unless
    that is another machine.
  - Set the options above once for all modules, with C(module_defaults) and the group C(meshops.istio.istio).
"""

"""Any Kubernetes API, real or twin: kubeconfig, client, Helm.  Nothing here knows which of the two it talks to."""

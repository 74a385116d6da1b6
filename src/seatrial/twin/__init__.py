"""A Kubernetes control plane in this process: store, API, admission, controllers, scheduler, kubelet, clock."""

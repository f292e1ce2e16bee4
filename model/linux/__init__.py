"""The Linux side of the device: its driver, and the work of the kernel's xfrm core around it."""

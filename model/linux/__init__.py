"""The Linux side of the device: its driver, and what the kernel's xfrm core does around it."""

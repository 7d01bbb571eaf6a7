// The process that holds a pod's namespaces open. It reaps what is handed to it, since it is process 1 of every
// pod that shares its process namespace, and leaves when it is told to.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// The kernel reaps children by itself while SIGCHLD is ignored.
	signal.Ignore(syscall.SIGCHLD)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	<-stop
}

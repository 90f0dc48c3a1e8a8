// The program of every pod's sandbox: it holds the pod's namespaces, ends when
// told to, and collects the dead of pods that share one process namespace. It is
// in C because hundreds of pods run hundreds of it, at a few pages each.
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int number) {
	(void)number;
	_exit(0);
}

static void collect(int number) {
	(void)number;
	while (waitpid(-1, NULL, WNOHANG) > 0) {
	}
}

int main(void) {
	struct sigaction on_end = {.sa_handler = end};
	struct sigaction on_child = {.sa_handler = collect, .sa_flags = SA_NOCLDSTOP};
	if (sigaction(SIGINT, &on_end, NULL) || sigaction(SIGTERM, &on_end, NULL) ||
	    sigaction(SIGCHLD, &on_child, NULL)) {
		return EXIT_FAILURE;
	}
	for (;;) {
		pause();
	}
}

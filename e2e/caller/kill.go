package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Kills a pod's program with SIGKILL, from a pod that sees the node's processes. A pod can't do it to itself: the kernel
// keeps signals from the first process of its own namespace.
func kill(_ context.Context, arguments []string) (any, error) {
	flags := flag.NewFlagSet("kill", flag.ExitOnError)
	uid := flags.String("pod-uid", "", "the pod")
	program := flags.String("program", "codepipeline-gateway", "its program")
	_ = flags.Parse(arguments)
	if len(*uid) != 36 {
		return nil, errors.New("--pod-uid is no pod's uid")
	}
	directories, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var killed []int
	for _, directory := range directories {
		pid, err := strconv.Atoi(filepath.Base(directory))
		if err != nil || !belongs(directory, *uid) || !runs(directory, *program) {
			continue
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			return nil, err
		}
		killed = append(killed, pid)
	}
	if len(killed) != 1 {
		return nil, fmt.Errorf("%d processes of that pod run %s, not one", len(killed), *program)
	}
	return map[string]any{"killed": killed[0]}, nil
}

// The name of a pod's control group has its uid, with - or _ as the group's driver likes it.
func belongs(directory, uid string) bool {
	groups, err := os.ReadFile(filepath.Join(directory, "cgroup"))
	return err == nil && (strings.Contains(string(groups), uid) || strings.Contains(string(groups), strings.ReplaceAll(uid, "-", "_")))
}

func runs(directory, program string) bool {
	line, err := os.ReadFile(filepath.Join(directory, "cmdline"))
	first, _, _ := strings.Cut(string(line), "\x00")
	return err == nil && filepath.Base(first) == program
}

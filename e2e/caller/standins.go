package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// The temporary key that the simulator knows.
const (
	keyID        = "ASIAFAKEFAKEFAKEFAKE"
	secretKey    = "fake-secret-access-key-for-a-session"
	sessionToken = "fake-session-token-for-the-simulator"
)

// Who a stand-in gives the key to. It reads a token's claims and leaves its signature unchecked: what is shown is that
// the gateway brings the right token to the right place, not that STS is secure.
type trust struct {
	subject, audience, role string
}

func (t *trust) parse(name string, arguments []string) (address string) {
	flags := flag.NewFlagSet(name, flag.ExitOnError)
	flags.StringVar(&address, "addr", ":8080", "where it listens")
	flags.StringVar(&t.subject, "subject", "", "sub of the tokens that it takes")
	flags.StringVar(&t.audience, "audience", "", "aud of the tokens that it takes")
	flags.StringVar(&t.role, "role", "", "the role that may be taken")
	_ = flags.Parse(arguments)
	return address
}

func (t *trust) check(token string) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("no token")
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return err
	}
	var claims struct {
		Sub string
		Aud []string
	}
	if err := json.Unmarshal(body, &claims); err != nil {
		return err
	}
	if claims.Sub != t.subject || !slices.Contains(claims.Aud, t.audience) {
		return fmt.Errorf("a token of %s for %v", claims.Sub, claims.Aud)
	}
	return nil
}

// STS as far as IRSA needs it: AssumeRoleWithWebIdentity.
func sts(ctx context.Context, arguments []string) (any, error) {
	var trust trust
	address := trust.parse("sts", arguments)
	return serve(ctx, address, func(w http.ResponseWriter, r *http.Request) error {
		if action := r.FormValue("Action"); action != "AssumeRoleWithWebIdentity" {
			return fmt.Errorf("action %q", action)
		}
		if role := r.FormValue("RoleArn"); role != trust.role {
			return fmt.Errorf("role %q", role)
		}
		if err := trust.check(r.FormValue("WebIdentityToken")); err != nil {
			return err
		}
		type credentials struct{ AccessKeyId, SecretAccessKey, SessionToken, Expiration string }
		w.Header().Set("content-type", "text/xml")
		return xml.NewEncoder(w).Encode(struct {
			XMLName     xml.Name    `xml:"https://sts.amazonaws.com/doc/2011-06-15/ AssumeRoleWithWebIdentityResponse"`
			Credentials credentials `xml:"AssumeRoleWithWebIdentityResult>Credentials"`
		}{Credentials: credentials{keyID, secretKey, sessionToken, expiration()}})
	})
}

// The agent of EKS Pod Identity, as a container asks it.
func podIdentity(ctx context.Context, arguments []string) (any, error) {
	var trust trust
	address := trust.parse("pod-identity", arguments)
	return serve(ctx, address, func(w http.ResponseWriter, r *http.Request) error {
		if r.URL.Path != "/v1/credentials" {
			return fmt.Errorf("path %q", r.URL.Path)
		}
		if err := trust.check(r.Header.Get("authorization")); err != nil {
			return err
		}
		w.Header().Set("content-type", "application/json")
		return json.NewEncoder(w).Encode(map[string]string{
			"AccessKeyId": keyID, "SecretAccessKey": secretKey, "Token": sessionToken, "Expiration": expiration(),
		})
	})
}

func expiration() string { return time.Now().Add(time.Hour).UTC().Format(time.RFC3339) }

// Answers until a signal; a line for each request, without the token.
func serve(ctx context.Context, address string, answer func(http.ResponseWriter, *http.Request) error) (any, error) {
	server := &http.Server{Addr: address, ReadHeaderTimeout: 5 * time.Second}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := answer(w, r); err != nil {
			fmt.Fprintln(os.Stdout, "refused:", err)
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		fmt.Fprintln(os.Stdout, "credentials given")
	})
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return nil, err
	}
	return nil, nil
}

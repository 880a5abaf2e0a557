#!/usr/bin/env bash
# Makes what a cluster must know and nobody else may, in a folder of yours: keys of the services, and URLs of
# the database with a password each. What is there already stays as it is, so that it can be run again: after
# a key was added or removed, or an issuer. Needs openssl.
#
#   k8s/secrets.sh FOLDER HOST:PORT/DATABASE [--development]
#   kubectl apply --namespace datacovey --kustomize FOLDER
#
# FOLDER/SERVICE.pem           signs the service's calls to others
# FOLDER/SERVICE.next.pem      the key that will replace it, while it is being replaced: others trust both
# FOLDER/secret.key            seals the secrets of projects in the database: keep it as long as the data
# FOLDER/NAME.url              how NAME reaches the database
# FOLDER/issuers.json          who signs the tokens of people: yours to write
# FOLDER/trusted-services.json the public halves of all keys
# FOLDER/data                  with --development: a data directory whose issuer is trusted
set -euo pipefail
umask 077

folder=${1:?name a folder} database=${2:?say where the database is, as postgres:5432/datacovey} flag=${3:-}
mkdir -p "$folder"
cd "$folder"

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
# The last 32 bytes of what openssl writes are the key itself.
public() { openssl pkey -in "$1" -pubout -outform DER | tail -c 32; }

for service in gateway catalog query transfer; do
  [ -e $service.pem ] || openssl genpkey -algorithm ed25519 -out $service.pem
done
[ -e secret.key ] || openssl rand -base64 32 >secret.key
[ -e admin.password ] || openssl rand -hex 24 | tr -d '\n' >admin.password
[ -e admin.url ] || printf 'postgres://postgres:%s@%s' "$(cat admin.password)" "$database" >admin.url
for login in identity catalog query transfer migrate; do
  [ -e $login.url ] || printf 'postgres://%s:%s@%s' $login "$(openssl rand -hex 24)" "$database" >$login.url
done

if [ "$flag" = --development ]; then
  mkdir -p data
  [ -e data/development-issuer.pem ] || openssl genpkey -algorithm ed25519 -out data/development-issuer.pem
  name=$(public data/development-issuer.pem | openssl dgst -sha256 -binary | head -c 16 | base64url)
  cat >issuers.json <<END
[{"issuer": "datacovey-development/$name", "audience": "datacovey", "organizations": "any", "scopes": ["platform"],
  "jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
    "kid": "$name", "x": "$(public data/development-issuer.pem | base64url)"}]}}]
END
elif [ ! -e issuers.json ]; then
  echo "write $folder/issuers.json (k8s/README.md says how), and run this again" >&2
  exit 1
fi

{
  separator='['
  for service in gateway catalog query transfer; do
    for key in $service.pem $service.next.pem; do
      [ -e $key ] || continue
      printf '%s{"name": "%s", "public_key": "%s"}' "$separator" $service "$(public $key | base64url)"
      separator=$',\n '
    done
  done
  printf ']\n'
} >trusted-services.json

{
  cat <<'END'
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
generatorOptions:
  disableNameSuffixHash: true
  labels:
    app.kubernetes.io/part-of: datacovey
configMapGenerator:
  - name: callers
    files: [issuers.json, trusted-services.json]
secretGenerator:
  - name: admin-database
    files: [url=admin.url, password=admin.password]
END
  for login in identity catalog query transfer migrate; do
    printf '  - name: %s-database\n    files: [url=%s.url]\n' $login $login
  done
  for service in gateway catalog query transfer; do
    printf '  - name: %s-key\n    files: [key.pem=%s.pem]\n' $service $service
  done
  printf '  - name: secret-key\n    files: [secret.key]\n'
} >kustomization.yaml

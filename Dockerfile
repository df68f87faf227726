# The program on Python's slim image, with nothing to write at run time: it works with a read-only root and as any
# user. The README shows how an application's image is built on this one.

# Both stages have the same base: a virtual environment belongs to the Python that made it.
FROM python:3.13-slim-trixie AS build
WORKDIR /src
ARG PIP_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1

COPY requirements/runtime.txt requirements/build.txt requirements/
RUN python -m venv --without-pip /opt/vault-exec \
 && pip --python /opt/vault-exec/bin/python install --no-compile --require-hashes \
      --requirement requirements/runtime.txt \
 && pip install --require-hashes --requirement requirements/build.txt

COPY . .
RUN pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && pip --python /opt/vault-exec/bin/python install --no-compile --no-deps dist/*.whl

# boto3 describes some 400 services in 20 MB and reads only the files of those that are called: the stores, and what
# credentials and regions come from. Everything it shares between services lies beside these folders and stays.
RUN cd /opt/vault-exec/lib/python3*/site-packages/botocore/data \
 && find . -mindepth 1 -maxdepth 1 -type d \
      ! -name ssm ! -name secretsmanager ! -name s3 ! -name kms ! -name sts ! -name sso ! -name sso-oidc ! -name signin \
      -exec rm -r {} +

# -I: nothing that the application's environment says to Python (PYTHONPATH and the like) reaches this program. In
# spite of it PYTHONEXECUTABLE makes Python forget where this environment's packages are, so the scripts say that too.
# The byte code stays valid whatever happens to the files' dates on their way into an image.
RUN packages=$(/opt/vault-exec/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
 && sed -i -e '1s/$/ -I/' -e "1a import sys; sys.path += ['$packages']" \
      /opt/vault-exec/bin/vault-exec /opt/vault-exec/bin/chamber \
 && /opt/vault-exec/bin/python -m compileall -q -f --invalidation-mode unchecked-hash /opt/vault-exec/lib

FROM python:3.13-slim-trixie
# The base comes without byte code of the standard library; without this every start would compile it again.
RUN python -m compileall -q -f --invalidation-mode unchecked-hash \
      -x '/(ensurepip|idlelib|pydoc_data|site-packages|tkinter|turtledemo)/' \
      "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
COPY --from=build /opt/vault-exec /opt/vault-exec
RUN ln -s /opt/vault-exec/bin/vault-exec /opt/vault-exec/bin/chamber /usr/local/bin/ \
 && useradd --uid 10001 --user-group --create-home app
# By number, so that Kubernetes can see that it is not root (runAsNonRoot).
USER 10001
RUN vault-exec version && chamber version
ENTRYPOINT ["vault-exec"]
CMD ["--help"]

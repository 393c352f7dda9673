{% if slim %}
FROM {{ base }}:slim
{% else %}
FROM {{ base }}
{% endif %}
RUN echo %%VERSION%% @VERSION@
